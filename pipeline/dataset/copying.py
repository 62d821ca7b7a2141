"""Videos copied from one dataset into a new one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.commit import DATA_TABLES, NewParts, commit
from manifests.store import SCRATCH, Dataset, Session
from pipeline.dataset.whole_folder import whole_folder
from pipeline.ingest.stored import Judged, Row, file_of


def copy_video(
    session: Session,
    dataset: Dataset,
    video: Row,
    clips: list[Row],
    judged: Judged | None = None,
) -> None:
    """Commit a video of another dataset with these of its clips; `judged` has them where they
    were judged again. Crops and sounds on the same disk are not written twice.
    """
    ids = [clip["clip_id"] for clip in clips]
    for clip in clips:
        for path in (clip["video_path"], clip["sound_path"]):
            _copy_file(session, dataset, path)
    parts = NewParts()
    row = {key: value for key, value in video.items() if not key.endswith("_part")}
    if judged is not None:
        parts = judged.parts_of(video["video_id"])
    if len(clips) < video["clips_total"] or judged is not None:
        of = Judged.of(dataset, [video["video_id"]]) if judged is None else judged
        of = Judged([clip for clip in of.clips if clip["clip_id"] in ids], of.decisions)
        row |= of.status_of(video["video_id"])
    for table in DATA_TABLES if clips else ():
        if table in ("frames", "audio") or judged is None:
            parts.files[table] = file_of(session, dataset, table, video, ids)
    commit(session, row, parts, None)


@contextmanager
def new_dataset(out: Path, kind: str, info: Row, plan: str) -> Iterator[Session]:
    """A dataset that appears at `out` when the block ends, made by the recipe of `info`.

    What an earlier run with the same plan committed is in it. Raises as `whole_folder` does.
    """
    with whole_folder(out, kind, plan) as folder:
        dataset = Dataset(str(folder.path))
        dataset.begin_like(info)
        scratch = folder.path / SCRATCH / "new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        yield Session(dataset, scratch, unclean=True)
        shutil.rmtree(scratch.parent)


def _copy_file(session: Session, dataset: Dataset, name: str) -> None:
    target = session.scratch / "media"
    target.unlink(missing_ok=True)
    if dataset.local:
        try:  # the same file under two names: parts and media are never changed in place
            os.link(f"{dataset.path}/{name}", target)
        except OSError:
            shutil.copyfile(f"{dataset.path}/{name}", target)
    else:
        dataset.fs.get_file(f"{dataset.path}/{name}", str(target))
    session.dataset.publish(target, name)
