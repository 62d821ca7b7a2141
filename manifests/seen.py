"""How a file looked when its bytes were hashed: `seen/*.parquet`, so that a later ingest hashes
only what changed.

A note of its own beside the tables: losing it, or reading a dataset that has none, costs one more
hash of each file. Rows name a file as `videos.sources` does.
"""

import contextlib
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from manifests.store import SEEN, Dataset, Session

_SCHEMA = pa.schema([(name, pa.string()) for name in ("source", "mark", "video_id")])


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file's mark (`manifests.glance`) and the id of the bytes that it held."""

    mark: str
    video: str


def read_seen(dataset: Dataset) -> dict[str, Sighting]:
    """Source -> what was seen of it. A part that cannot be read counts as none."""
    found = {}
    for name in dataset.names(SEEN):
        with contextlib.suppress(OSError, pa.ArrowException):
            table = dataset.read(f"{SEEN}/{name}", _SCHEMA.names)
            columns = (table[column].to_pylist() for column in _SCHEMA.names)
            for source, mark, video in zip(*columns, strict=True):
                found[source] = Sighting(mark, video)
    return found


def write_seen(session: Session, seen: Mapping[str, Sighting]) -> None:
    """Keep some sightings beside those that are there, as one more part."""
    if not seen:
        return
    order = sorted(seen)
    columns = [order, [seen[s].mark for s in order], [seen[s].video for s in order]]
    table = pa.table(dict(zip(_SCHEMA.names, columns, strict=True)), _SCHEMA)
    session.dataset.publish_table(table, f"{SEEN}/{uuid.uuid4().hex}.parquet", session.scratch)


def replace_seen(session: Session, seen: Mapping[str, Sighting]) -> None:
    """Keep these alone, in one part. After a kill some are there twice, which does no harm."""
    old = session.dataset.names(SEEN)
    write_seen(session, seen)
    _delete(session, old)


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


def _delete(session: Session, names: Iterable[str]) -> None:
    for name in names:
        session.dataset.delete(f"{SEEN}/{name}")
