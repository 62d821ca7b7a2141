"""Merging small parts into large ones while readers read.

Merged data parts are published first, under names that were never used; then one merged `videos`
part with every row; then what it replaces goes: older merged rows, the videos' own rows (which go
before merged ones, so that only now the new ones count), and the small data parts last. Killed at
any point, every row stays visible exactly once.
"""

import contextlib
import itertools
import uuid
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.catalog import rows, strays
from manifests.commit import DATA_TABLES, merged, sweep
from manifests.errors import InputError
from manifests.parquet import part_writer, read_batches
from manifests.parts import MergedParts, Part
from manifests.schema import TABLES, VIDEOS, schema
from manifests.store import COMPACT, STAGED, Dataset, Session

_GROUP_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Compaction:
    """Files before and after."""

    videos: int
    before: int
    after: int


def compact(dataset: Dataset, rows_per_file: int) -> Compaction:
    """Merge the parts of all videos into files of at least that many frames (the last: fewer).

    Raises InputError when the dataset is being written to, or a change of recipe is half done.
    """
    dataset.info()
    before = _files(dataset)
    with dataset.writing() as session:
        if session.unclean:
            _tidy(session)
        videos = rows(dataset, "SELECT * FROM videos ORDER BY video_id")
        if dataset.names("videos") != merged(dataset)[:1] or strays(dataset):
            name = f"{COMPACT}{uuid.uuid4().hex}"
            for number, group in enumerate(_groups(dataset, videos, rows_per_file)):
                _merge(session, group, f"{name}-{number:06d}.parquet")
            _replace_rows(session, videos, f"{name}.parquet")
            sweep(session)
    return Compaction(len(videos), before, _files(dataset))


def scrub(session: Session) -> None:
    """Write merged parts that hold rows of no video that names them anew, without those rows."""
    dataset = session.dataset
    videos = rows(dataset, "SELECT * FROM videos ORDER BY video_id")
    found = False
    for table in DATA_TABLES:
        for part in (name for name in dataset.names(table) if name.startswith(COMPACT)):
            holders = [video for video in videos if video[f"{table}_part"] == part]
            held = dataset.read(f"{table}/{part}", ["video_id"])["video_id"]
            if {*held.unique().to_pylist()} <= {video["video_id"] for video in holders}:
                continue
            found = True
            if holders:
                _copy_of(session, table, part, holders)
    if found:
        if videos:
            _replace_rows(session, videos, f"{COMPACT}{uuid.uuid4().hex}.parquet")
        sweep(session)


def _copy_of(session: Session, table: str, part: str, holders: list[dict[str, Any]]) -> None:
    """Publish a merged part with the rows of some videos alone, and let their rows name it."""
    dataset, name = session.dataset, f"{COMPACT}{uuid.uuid4().hex}.parquet"
    temporary = session.scratch / name
    mine = pa.array([video["video_id"] for video in holders])
    with (
        dataset.open_part(f"{table}/{part}") as file,
        part_writer(temporary, pq.read_schema(file)) as writer,
    ):
        for batch in read_batches(file):
            writer.write_batch(batch.filter(pc.is_in(batch.column("video_id"), mine)))
    dataset.publish(temporary, f"{table}/{name}")
    for video in holders:
        video[f"{table}_part"] = name


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


def _merge(session: Session, group: list[dict[str, Any]], name: str) -> None:
    """Publish one part for each table, and let the group's rows name it."""
    for table in DATA_TABLES:
        holders = [video for video in group if video[f"{table}_part"]]
        if holders:
            _concatenate(session, table, holders, name)
            for video in holders:
                video[f"{table}_part"] = name


def _concatenate(session: Session, table: str, holders: list[dict[str, Any]], name: str) -> None:
    """Copy the rows of videos into one part, in their order, a row group at a time.

    Neighbours that lie in one part are copied together, and a merged part is opened once, so that
    what this costs follows the rows and not the videos times the rows.
    """
    dataset, column = session.dataset, f"{table}_part"
    temporary = session.scratch / f"{table}-{name}"
    with MergedParts(dataset, table) as parts, contextlib.ExitStack() as opened:
        writer: _Groups | None = None
        first: pa.Schema | None = None
        for part, run in itertools.groupby(holders, key=lambda video: video[column]):
            with contextlib.ExitStack() as here:
                if part.startswith(COMPACT):
                    found = parts.part(part)
                else:
                    found = Part(here.enter_context(dataset.open_part(f"{table}/{part}")))
                if writer is None:
                    first = found.schema
                    writer = _Groups(opened.enter_context(part_writer(temporary, first)))
                if found.schema != first:
                    raise InputError(
                        f"{dataset.uri}: not every video was redone since its recipe was changed; "
                        "run `dawn ingest` again, then compact"
                    )
                for batch in found.rows_of([video["video_id"] for video in run]):
                    writer.add(batch)
        if writer is not None:
            writer.flush()
    dataset.publish(temporary, f"{table}/{name}")


class _Groups:
    """Writes rows in groups of about a megabyte: readers of one video read little else, and a part
    of many short ones has few groups.
    """

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= _GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting).combine_chunks())
        self._waiting, self._bytes = [], 0


def _replace_rows(session: Session, videos: list[dict[str, Any]], name: str) -> None:
    """Publish all rows as one part, then remove those that it replaces."""
    dataset = session.dataset
    older = merged(dataset)
    dataset.publish_table(
        pa.Table.from_pylist(videos, schema(VIDEOS)), f"videos/{name}", session.scratch
    )
    dataset.delete_all([f"videos/{part}" for part in older])
    dataset.delete_all([f"videos/{video['video_id']}.parquet" for video in videos])


def _files(dataset: Dataset) -> int:
    return sum(len(dataset.names(table)) for table in TABLES)
