"""Merging small parts into large ones while readers read.

What lies in a merged part that is large enough stays there. Merged data parts are published first,
under names that were never used; then one merged `videos` part with every row; then what it
replaces goes: older merged rows, the videos' own rows (which go before merged ones, so that only
now the new ones count), and the small data parts last. Killed at any point, every row stays
visible exactly once.
"""

import contextlib
import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.catalog import batches, mixed_parts, own_query
from manifests.commit import DATA_TABLES, merged, sweep
from manifests.errors import InputError
from manifests.parquet import part_writer, read_batches
from manifests.parts import MergedParts, Part
from manifests.schema import TABLES, VIDEOS, schema
from manifests.store import COMPACT, STAGED, Dataset, Session

_NAMED = """
SELECT video_id, clips_part, frames_part, audio_part, decisions_part,
       coalesce(frames, 0)::BIGINT AS frames
FROM videos LEFT JOIN (SELECT video_id, sum(frames) AS frames FROM clips GROUP BY video_id)
    USING (video_id)
ORDER BY video_id
"""
_NONE = "-"
"""In the place of a part's name, where there is no part."""
_ROWS = 16_384
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
        videos = own_query(dataset, _NAMED)
        mixed = mixed_parts(dataset)
        if dataset.names("videos") != merged(dataset)[:1] or mixed:
            name = f"{COMPACT}{uuid.uuid4().hex}"
            parts = {table: videos[f"{table}_part"].to_pylist() for table in DATA_TABLES}
            frames = videos["frames"].to_pylist()
            homes = _homes(parts, mixed)
            for number, (begin, end) in enumerate(_groups(homes, frames, rows_per_file)):
                ids = videos["video_id"].slice(begin, end - begin).to_pylist()
                _merge(session, ids, parts, begin, f"{name}-{number:06d}.parquet")
            _publish_rows(session, videos["video_id"], parts, f"{name}.parquet")
            sweep(session)
    return Compaction(len(videos), before, _files(dataset))


def scrub(session: Session) -> None:
    """Write merged parts that hold rows of no video that names them anew, without those rows."""
    dataset = session.dataset
    videos = own_query(dataset, _NAMED)
    ids, found = videos["video_id"].to_pylist(), False
    parts = {table: videos[f"{table}_part"].to_pylist() for table in DATA_TABLES}
    for table, named in parts.items():
        holders = defaultdict(list)
        for place, part in enumerate(named):
            holders[part].append(place)
        for part in (name for name in dataset.names(table) if name.startswith(COMPACT)):
            mine = {ids[place] for place in holders[part]}
            held = dataset.read(f"{table}/{part}", ["video_id"])["video_id"]
            if {*held.unique().to_pylist()} <= mine:
                continue
            found = True
            if mine:
                copied = _copy_of(session, table, part, mine)
                for place in holders[part]:
                    named[place] = copied
    if found:
        if ids:
            name = f"{COMPACT}{uuid.uuid4().hex}.parquet"
            _publish_rows(session, videos["video_id"], parts, name)
        sweep(session)


def _copy_of(session: Session, table: str, part: str, holders: set[str]) -> str:
    """Publish a merged part with the rows of some videos alone; its name."""
    dataset, name = session.dataset, f"{COMPACT}{uuid.uuid4().hex}.parquet"
    temporary = session.scratch / name
    mine = pa.array(sorted(holders))
    with (
        dataset.open_part(f"{table}/{part}") as file,
        part_writer(temporary, pq.read_schema(file)) as writer,
    ):
        for batch in read_batches(file):
            writer.write_batch(batch.filter(pc.is_in(batch.column("video_id"), mine)))
    dataset.publish(temporary, f"{table}/{name}")
    return name


def _tidy(session: Session) -> None:
    """Finish what a killed writer left, unless it can still be resumed."""
    if session.dataset.names(STAGED):
        raise InputError(
            f"{session.dataset.uri}: the last ingest was stopped; run it again, then compact"
        )
    sweep(session)


def _homes(parts: dict[str, list[str | None]], mixed: set[str]) -> list[str | None]:
    """The merged part in which all is that a video has, unless rows that nobody names are in it;
    None for a video with parts of its own. One that has none is where its neighbour is.
    """
    homes: list[str | None] = []
    for named in zip(*parts.values(), strict=True):
        (home, *more) = {*named} - {None} or {_NONE}
        ours = home.startswith((COMPACT, _NONE)) and home not in mixed
        homes.append(home if ours and not more else None)
    last = next((home for home in homes if home != _NONE), None)
    for place, home in enumerate(homes):
        last = homes[place] = last if home == _NONE else home
    return homes


def _groups(
    homes: list[str | None], frames: list[int], rows_per_file: int
) -> Iterator[tuple[int, int]]:
    """Ranges of neighbouring videos to be merged, of at least that many frames (the last: fewer).
    What is in a merged part of its own, large enough, is no part of any.
    """
    for begin, end in _stretches(homes, frames, rows_per_file):
        starts, size = [begin], 0
        for place in range(begin, end):
            if size >= rows_per_file:
                starts.append(place)
                size = 0
            size += frames[place]
        if size < rows_per_file and len(starts) > 1 and end < len(homes):
            starts.pop()
        yield from itertools.pairwise([*starts, end])


def _stretches(
    homes: list[str | None], frames: list[int], rows_per_file: int
) -> Iterator[tuple[int, int]]:
    """Ranges between which lie merged parts that stay as they are. What is new goes into the part
    before it.
    """
    runs: list[tuple[int, int, bool]] = []
    begin = 0
    for home, run in itertools.groupby(homes):
        end = begin + sum(1 for _ in run)
        stays = home is not None and sum(frames[begin:end]) >= rows_per_file
        runs.append((begin, end, stays))
        begin = end
    shared = Counter(homes[begin] for begin, _, _ in runs)
    waiting: list[tuple[int, int]] = []
    for i, (begin, end, large) in enumerate(runs):
        follows = i + 1 == len(runs) or homes[runs[i + 1][0]] is not None
        before = i != 1 or homes[0] is not None
        if large and shared[homes[begin]] == 1 and follows and before:
            yield from _joined(waiting, homes)
            waiting = []
        else:
            waiting.append((begin, end))
    yield from _joined(waiting, homes)


def _joined(runs: list[tuple[int, int]], homes: list[str | None]) -> Iterator[tuple[int, int]]:
    """Neighbouring ranges as one; of a small merged part alone nothing can be made."""
    if len(runs) > 1 or (runs and homes[runs[0][0]] is None):
        yield runs[0][0], runs[-1][1]


def _merge(
    session: Session, ids: list[str], parts: dict[str, list[str | None]], begin: int, name: str
) -> None:
    """Publish one part for each table of some videos, which lie from `begin` on, and name it."""
    for table, named in parts.items():
        mine = named[begin : begin + len(ids)]
        holders = [(video, part) for video, part in zip(ids, mine, strict=True) if part]
        if holders:
            _concatenate(session, table, holders, name)
            named[begin : begin + len(ids)] = [name if part else None for part in mine]


def _concatenate(session: Session, table: str, holders: list[tuple[str, str]], name: str) -> None:
    """Copy the rows of videos, each given with its part, into one, in their order.

    Neighbours that lie in one part are copied together, and a merged part is opened once, so that
    what this costs follows the rows and not the videos times the rows.
    """
    dataset = session.dataset
    temporary = session.scratch / f"{table}-{name}"
    with contextlib.closing(MergedParts(dataset, table)) as parts, contextlib.ExitStack() as opened:
        writer: _Groups | None = None
        first: pa.Schema | None = None
        for part, run in itertools.groupby(holders, itemgetter(1)):
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
                for batch in found.rows_of([video for video, _ in run]):
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


def _publish_rows(
    session: Session, ids: pa.ChunkedArray, parts: dict[str, list[str | None]], name: str
) -> None:
    """Publish the rows of all videos, `ids` in order, with other parts."""
    temporary, begin, of = session.scratch / name, 0, schema(VIDEOS)
    with part_writer(temporary, of) as writer:
        for batch in batches(session.dataset, "FROM videos ORDER BY video_id", _ROWS):
            table = pa.Table.from_batches([batch])
            end = begin + len(table)
            if table["video_id"] != ids.slice(begin, len(table)):
                raise AssertionError("other videos than before, while nobody else writes")
            for kind, named in parts.items():
                place = table.schema.get_field_index(f"{kind}_part")
                column = pa.array(named[begin:end], pa.string())
                table = table.set_column(place, f"{kind}_part", column)
            writer.write_table(pa.table([_of(table, field) for field in of], schema=of))
            begin = end
    _replace_rows(session, temporary, name)


def _of(table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    """A column as it is written now; an older version's rows may lack it, or a part of it."""
    if field.name not in table.column_names:
        return pa.nulls(len(table), field.type)
    column = table[field.name]
    try:
        return column.cast(field.type)
    except pa.ArrowException:
        return pa.array(column.to_pylist(), field.type)


def _replace_rows(session: Session, temporary: Path, name: str) -> None:
    """Publish all rows as one part, then remove those that it replaces."""
    dataset = session.dataset
    older = merged(dataset)
    loose = sorted({*dataset.names("videos")} - {*older})
    dataset.publish(temporary, f"videos/{name}")
    dataset.delete_all([f"videos/{part}" for part in older])
    dataset.delete_all([f"videos/{file}" for file in loose if file.endswith(".parquet")])


def _files(dataset: Dataset) -> int:
    return sum(len(dataset.names(table)) for table in TABLES)
