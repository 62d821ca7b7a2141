"""Videos of a dataset as rows and files, to be judged again or written anew."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dawn.curation.decisions import why_none_passed
from dawn.curation.duplicates import KeptFootage
from manifests.catalog import rows
from manifests.commit import NewParts
from manifests.parquet import part_writer, read_batches
from manifests.reasons import Rejection
from manifests.safe_sql import quoted
from manifests.store import Dataset, Session

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """Clips of some videos with their decisions, to be changed in place."""

    clips: list[Row]
    decisions: dict[str, list[Row]]
    """By clip."""

    @classmethod
    def of(cls, dataset: Dataset, videos: Iterable[str]) -> "Judged":
        """All clips of these videos."""
        among = f"video_id IN ({listed(videos)})"
        # Not by name: datasets of older versions lack some columns.
        clips = rows(dataset, f"SELECT * FROM clips WHERE {among} ORDER BY clip_id")  # noqa: S608
        decisions: dict[str, list[Row]] = defaultdict(list)
        for row in rows(dataset, f"SELECT * FROM decisions WHERE {among}"):  # noqa: S608
            decisions[row["clip_id"]].append(row)
        return cls(clips, decisions)

    def parts_of(self, video: str) -> NewParts:
        """What a commit of a video puts in place."""
        clips = [clip for clip in self.clips if clip["video_id"] == video]
        return NewParts(clips, [row for c in clips for row in self.decisions[c["clip_id"]]])

    def status_of(self, video: str) -> Row:
        """What a video's row says of its clips."""
        parts = self.parts_of(video)
        return status_of(parts.clips or [], parts.decisions or [])


def status_of(clips: list[Row], decisions: list[Row]) -> Row:
    """What a video's row says of its clips, of which there is one at least."""
    accepted = sum(clip["accepted"] for clip in clips)
    return {
        "clips_total": len(clips),
        "clips_accepted": accepted,
        "status": "ok" if accepted else "rejected",
        "reason": None if accepted else str(Rejection.NO_CLIP_PASSED),
        "detail": None if accepted else why_none_passed(decisions),
    }


def kept_footage(dataset: Dataset, without: Iterable[str] = ()) -> KeptFootage:
    """The accepted clips, but for some."""
    kept, left_out = KeptFootage(), {*without}
    for clip in rows(dataset, "SELECT * FROM clips WHERE accepted ORDER BY clip_id"):
        if clip["clip_id"] not in left_out:
            kept.add(clip)
    return kept


def file_of(
    session: Session, dataset: Dataset, table: str, video: Row, clips: Iterable[str]
) -> Path:
    """A file in the session's scratch folder with the rows of some clips of a video."""
    ids = pa.array(sorted(clips), pa.string())
    target = session.scratch / f"copy-{table}.parquet"
    with (
        dataset.open_part(f"{table}/{video[f'{table}_part']}") as file,
        part_writer(target, pq.read_schema(file)) as writer,
    ):
        for batch in read_batches(file, ("video_id", video["video_id"])):
            mine = pc.is_in(batch.column("clip_id"), ids)
            if pc.any(mine).as_py():
                writer.write_batch(batch.filter(mine))
    return target


def listed(texts: Iterable[str]) -> str:
    """For `IN (…)`."""
    return ", ".join(map(quoted, sorted({*texts}))) or "NULL"
