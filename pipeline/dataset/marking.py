"""Marking clips as bad, and taking that back: `marks/` first, then the rows that follow from it."""

import datetime

from dawn.curation.decisions import MARKED, marked
from manifests.catalog import rows
from manifests.commit import commit, finish
from manifests.errors import InputError
from manifests.marks import Mark, read_marks, remove_marks, write_mark
from manifests.safe_sql import quoted
from manifests.store import STAGED, Dataset, Session
from pipeline.ingest.stored import Judged

MOST = 500
"""Characters of a reason."""


def mark_clip(dataset: Dataset, clip: str, reason: str) -> Mark:
    """Keep that a clip is bad, and why; it is rejected from now on, whatever filters say.

    Killed between the two, the next ingest or the same call completes it. Raises InputError for
    a clip that is not there, an empty reason, or while another command writes.
    """
    text = " ".join(reason.split())
    if not text or len(text) > MOST:
        raise InputError(f"the reason: give 1 … {MOST} characters")
    video = _video_of(dataset, clip)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    mark = Mark(text, now)
    with dataset.writing() as session:
        _refuse_staged(dataset)
        write_mark(session, clip, mark)
        _judge(session, video)
    return mark


def unmark_clip(dataset: Dataset, clip: str) -> None:
    """Take a mark back: filters alone decide. Raises InputError as `mark_clip` does."""
    video = _video_of(dataset, clip)
    with dataset.writing() as session:
        _refuse_staged(dataset)
        remove_marks(session, [clip])
        _judge(session, video)


def _judge(session: Session, video: str) -> None:
    """Commit a video whose clips' decisions follow from the marks; all other verdicts stay."""
    dataset = session.dataset
    marks = read_marks(dataset)
    judged = Judged.of(dataset, [video])
    for clip in judged.clips:
        said = judged.decisions[clip["clip_id"]]
        said[:] = [row for row in said if row["filter"] != MARKED]
        if clip["clip_id"] in marks:
            said.append(marked(clip))
        clip["reasons"] = [str(row["filter"]) for row in said if row["verdict"] == "fail"]
        clip["accepted"] = not clip["reasons"]
    (old,) = rows(dataset, f"SELECT * FROM videos WHERE video_id = {quoted(video)}")  # noqa: S608
    commit(session, old | judged.status_of(video), judged.parts_of(video), old)
    finish(session)


def _video_of(dataset: Dataset, clip: str) -> str:
    found = rows(dataset, f"SELECT video_id FROM clips WHERE clip_id = {quoted(clip)}")  # noqa: S608
    if not found:
        raise InputError("there is no such clip")
    return str(found[0]["video_id"])


def _refuse_staged(dataset: Dataset) -> None:
    if dataset.names(STAGED):
        raise InputError("the dataset's last ingest was stopped; run it again to go on, then mark")
