"""`dawn dataset filter`: a new dataset of the clips for which a condition holds."""

import shlex
from pathlib import Path

from dawn.curation.orphans import judge_orphans
from manifests.catalog import rows
from manifests.config import stable_hash
from manifests.counting import count
from manifests.errors import InputError
from manifests.forgotten import read_forgotten, remember
from manifests.marks import read_marks, write_marks
from manifests.store import Dataset
from pipeline.dataset.copying import copy_video, new_dataset
from pipeline.dataset.where import clips_where
from pipeline.ingest.stored import Judged, Row, kept_footage, listed
from pipeline.progress import Progress, console


def make_subset(root: str, where: str, out: Path) -> None:
    """Write the clips, with their videos' rows and everything of them, as a dataset.

    Clips that were copies of what is left out are judged without it. Raises InputError for a
    condition that is refused or matches nothing, and where `out` holds anything.
    """
    dataset = Dataset(root)
    info = dataset.info()
    ids = {*clips_where(dataset, where)}
    if not ids:
        raise InputError(f"{root}: no clip matches --where {shlex.quote(where)}")
    clips = rows(
        dataset,
        "SELECT clip_id, video_id, duplicate_of, accepted, video_path, sound_path FROM clips "
        "ORDER BY clip_id",
    )
    chosen: dict[str, list[Row]] = {}
    for clip in clips:
        if clip["clip_id"] in ids:
            chosen.setdefault(clip["video_id"], []).append(clip)
    orphans = {
        clip["clip_id"]: clip["video_id"]
        for found in chosen.values()
        for clip in found
        if clip["duplicate_of"] is not None and clip["duplicate_of"] not in ids
    }
    judged = Judged.of(dataset, orphans.values())
    judged.clips[:] = [clip for clip in judged.clips if clip["clip_id"] in ids]
    if orphans:
        others = {clip["clip_id"] for clip in clips} - ids
        judge_orphans(
            [clip for clip in judged.clips if clip["clip_id"] in orphans],
            judged.decisions,
            kept_footage(dataset, without=others | orphans.keys()),
        )
    videos = rows(
        dataset,
        f"SELECT * FROM videos WHERE video_id IN ({listed(chosen)}) ORDER BY video_id",  # noqa: S608
    )
    plan = stable_hash([info, sorted(ids), [video["clips_part"] for video in videos]])
    with (
        new_dataset(out, "filter", info, plan) as session,
        Progress("filter", len(videos)) as progress,
    ):
        remember(session, read_forgotten(dataset))
        write_marks(session, {c: m for c, m in read_marks(dataset).items() if c in ids})
        for video in videos:
            name = video["video_id"]
            if not session.dataset.has(f"videos/{name}.parquet"):
                again = judged if name in orphans.values() else None
                copy_video(session, dataset, video, chosen[name], again)
            progress.advance(1)
    console.print(
        f"{count(len(ids), 'clip')} of {len(clips):,}, from {count(len(videos), 'video')}: {out}",
        markup=False,
    )
    console.print(f"next: dawn dataset validate {out}", markup=False)
