"""How a file looked when its bytes were hashed: `seen/*.parquet`, so that a later ingest hashes
only what changed.

A note of its own beside the tables: losing it, or reading a dataset that has none, costs one more
hash of each file. Rows name a file as `videos.sources` does.
"""

import contextlib
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.parquet import part_writer
from manifests.store import SEEN, Dataset, Session

_SCHEMA = pa.schema([(name, pa.string()) for name in ("source", "mark", "video_id")])
_AT_ONCE = 16_384
"""Rows that are objects at any moment."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file's mark (`manifests.glance`) and the id of the bytes that it held."""

    mark: str
    video: str


class Seen:
    """What was seen of some sources, as columns: as objects it would take three times as much."""

    def __init__(self, dataset: Dataset, sources: Iterable[str]) -> None:
        """Read it. A part that cannot be read counts as none."""
        self._parts = len(dataset.names(SEEN))
        wanted, tables = np.unique(_hashes(sources)), [_SCHEMA.empty_table()]
        for name in dataset.names(SEEN):
            for batch in _batches(dataset, name):
                mine = np.isin(_hashes(batch["source"].to_pylist()), wanted)
                tables.append(pa.table(batch.filter(pa.array(mine))))
        # Of one piece: to take rows of many takes as long as copying all.
        self._table = pa.concat_tables(tables).combine_chunks()
        hashes = [_hashes(few) for few in _pieces(self._table["source"])]
        # One of each source; that two sources share a hash costs one more look at a file.
        self._hashes, self._places = np.unique(np.concatenate(hashes), return_index=True)
        self._new: dict[str, Sighting] = {}
        """What this run saw, some of which is not yet kept."""
        self._unkept: set[str] = set()

    def of(self, sources: Sequence[str]) -> list[Sighting | None]:
        """What was last seen of each of these sources, if anything was."""
        hashes = _hashes(sources)
        places = np.searchsorted(self._hashes, hashes)
        places[places == len(self._hashes)] = 0
        there = self._hashes[places] == hashes if len(self._hashes) else np.zeros(len(places), bool)
        rows = iter(self._table.take(self._places[places[there]]).to_pylist())
        found: list[Sighting | None] = []
        for source, is_there in zip(sources, there, strict=True):
            row = next(rows) if is_there else None
            old = row and row["source"] == source and Sighting(row["mark"], row["video_id"])
            found.append(self._new.get(source) or old or None)
        return found

    def note(self, seen: Mapping[str, Sighting]) -> None:
        """Sources were seen; `keep` writes what is new in that."""
        for (source, now), then in zip(seen.items(), self.of([*seen]), strict=True):
            if now != then:
                self._new[source] = now
                self._unkept.add(source)

    def keep(self, session: Session) -> None:
        """Write what was noted since the last time, as one more part."""
        if self._unkept:
            write_seen(session, {source: self._new[source] for source in self._unkept})
            self._parts += 1
            self._unkept.clear()

    def unite(self, session: Session) -> None:
        """Make one part of all. After a kill some are there twice, which does no harm."""
        self.keep(session)
        if self._parts > 1:
            dataset, new = session.dataset, pa.array(self._new, pa.string())
            old = dataset.names(SEEN)
            with part_writer(session.scratch / "seen.parquet", _SCHEMA) as writer:
                for batch in (batch for name in old for batch in _batches(dataset, name)):
                    others = batch.filter(pc.invert(pc.is_in(batch["source"], new)))
                    writer.write_batch(others)
                writer.write_table(_table(self._new))
            dataset.publish(session.scratch / "seen.parquet", _name())
            _delete(session, old)
            self._parts = 1


def write_seen(session: Session, seen: Mapping[str, Sighting]) -> None:
    """Keep some sightings beside those that are there, as one more part."""
    session.dataset.publish_table(_table(seen), _name(), session.scratch)


def forget_seen(session: Session, videos: Collection[str]) -> None:
    """Drop what names these videos' files."""
    ids = pa.array(sorted(videos), pa.string())
    for name in session.dataset.names(SEEN):
        try:
            table = session.dataset.read(f"{SEEN}/{name}")
            left = table.filter(pc.invert(pc.is_in(table["video_id"], ids)))
        except (pa.ArrowException, KeyError):
            _delete(session, [name])
            continue
        if left.num_rows < table.num_rows:
            session.dataset.publish_table(left, f"{SEEN}/{name}", session.scratch)


def _hashes(sources: Iterable[str]) -> NDArray[np.int64]:
    """Python's own hashes, which hold in one process."""
    return np.fromiter(map(hash, sources), np.int64)


def _pieces(column: pa.ChunkedArray) -> Iterator[list[str]]:
    """A column's values, few of them as objects at any moment."""
    for begin in range(0, max(1, len(column)), _AT_ONCE):
        yield column.slice(begin, _AT_ONCE).to_pylist()


def _batches(dataset: Dataset, name: str) -> Iterator[pa.RecordBatch]:
    """The rows of a part, as far as it can be read."""
    with (
        contextlib.suppress(OSError, pa.ArrowException),
        dataset.open_part(f"{SEEN}/{name}") as file,
    ):
        for batch in pq.ParquetFile(file).iter_batches(_AT_ONCE, columns=_SCHEMA.names):
            yield batch.cast(_SCHEMA)


def _table(seen: Mapping[str, Sighting]) -> pa.Table:
    columns = [[*seen], [s.mark for s in seen.values()], [s.video for s in seen.values()]]
    return pa.table(dict(zip(_SCHEMA.names, columns, strict=True)), _SCHEMA)


def _name() -> str:
    return f"{SEEN}/{uuid.uuid4().hex}.parquet"


def _delete(session: Session, names: Iterable[str]) -> None:
    for name in names:
        session.dataset.delete(f"{SEEN}/{name}")
