"""Merging small parts into large ones while readers read.

A merged part is published first; then the merged `videos` part, whose rows name it; then the
videos' own rows go, which makes the merged ones valid (a video's own row always goes before);
the small data parts go last. Killed at any point, every row stays visible exactly once.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.catalog import rows
from manifests.commit import DATA_TABLES, sweep
from manifests.errors import InputError
from manifests.parquet import part_writer, read_batches
from manifests.schema import TABLES, VIDEOS, schema
from manifests.store import COMPACT, STAGED, Dataset, Session


@dataclass(frozen=True, slots=True)
class Compaction:
    """Files before and after."""

    videos: int
    before: int
    after: int


def compact(dataset: Dataset, rows_per_file: int) -> Compaction:
    """Merge the parts of all videos into files of at least that many frames (the last: fewer).

    Raises InputError when the dataset is being written to.
    """
    dataset.info()
    before = _files(dataset)
    with dataset.writing() as session:
        if session.unclean:
            _tidy(session)
        videos = rows(dataset, "SELECT * FROM videos ORDER BY video_id")
        own = set(dataset.names("videos"))
        merged_before = [name for name in own if name.startswith(COMPACT)]
        if len(own) > len(merged_before):
            for group in _groups(dataset, videos, rows_per_file):
                _merge(session, group)
            _drop(dataset, videos, merged_before)
    return Compaction(len(videos), before, _files(dataset))


def _tidy(session: Session) -> None:
    """Finish what a killed writer left, unless it can still be resumed."""
    if session.dataset.names(STAGED):
        raise InputError(
            f"{session.dataset.uri}: the last ingest was stopped; run it again, then compact"
        )
    sweep(session)


def _groups(
    dataset: Dataset, videos: list[dict[str, Any]], rows_per_file: int
) -> list[list[dict[str, Any]]]:
    """Neighbouring videos with together at least that many frames."""
    counts = {
        row["video_id"]: row["frames"]
        for row in rows(
            dataset, "SELECT video_id, sum(frames)::BIGINT AS frames FROM clips GROUP BY video_id"
        )
    }
    groups: list[list[dict[str, Any]]] = [[]]
    size = 0
    for video in videos:
        if size >= rows_per_file:
            groups.append([])
            size = 0
        groups[-1].append(video)
        size += counts.get(video["video_id"], 0)
    return [group for group in groups if group]


def _merge(session: Session, group: list[dict[str, Any]]) -> None:
    """Publish one merged part for each table, the `videos` part last."""
    dataset = session.dataset
    parts = ("video_id", "extract_key", "audio_key", "judge_key")
    keys = "".join(f"{video[part]}" for video in group for part in parts)
    name = f"{COMPACT}{hashlib.sha256(keys.encode()).hexdigest()[:24]}.parquet"
    for table in DATA_TABLES:
        holders = [video for video in group if video[f"{table}_part"]]
        if holders:
            _concatenate(session, table, holders, name)
            for video in holders:
                video[f"{table}_part"] = name
    table = pa.Table.from_pylist(group, schema(VIDEOS))
    dataset.publish_table(table, f"videos/{name}", session.scratch)


def _concatenate(session: Session, table: str, holders: list[dict[str, Any]], name: str) -> None:
    """Copy each video's rows into one part, a batch at a time."""
    dataset = session.dataset
    temporary = session.scratch / f"{table}-{name}"
    with dataset.open_part(f"{table}/{holders[0][f'{table}_part']}") as file:
        first = pq.read_schema(file)
    with part_writer(temporary, first) as writer:
        for video in holders:
            with dataset.open_part(f"{table}/{video[f'{table}_part']}") as file:
                for batch in read_batches(file):
                    mine = pc.equal(batch.column("video_id"), video["video_id"])
                    writer.write_batch(batch.filter(mine))
    dataset.publish(temporary, f"{table}/{name}")


def _drop(dataset: Dataset, videos: list[dict[str, Any]], merged_before: list[str]) -> None:
    """Remove what the merged parts replace: rows first, then the data they named."""
    current = {name for name in dataset.names("videos") if name.startswith(COMPACT)}
    named = {video[f"{table}_part"] for video in videos for table in DATA_TABLES}
    for name in merged_before:
        if name not in named and name in current:
            dataset.delete(f"videos/{name}")
    for video in videos:
        dataset.delete(f"videos/{video['video_id']}.parquet")
    for table in DATA_TABLES:
        for part in dataset.names(table):
            if part not in named:
                dataset.delete(f"{table}/{part}")


def _files(dataset: Dataset) -> int:
    return sum(len(dataset.names(table)) for table in TABLES)
