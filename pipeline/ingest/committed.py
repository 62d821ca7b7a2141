"""The rows of `videos` as an ingest finds and changes them, few of them as rows at any moment.

A row as a dictionary takes 5 kB; here it takes what its columns do, of texts that repeat a number.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dawn.recipe import Recipe
from manifests.catalog import batches
from manifests.schema import VIDEOS, schema
from manifests.store import Dataset

_AT_ONCE = 16_384
_OF_ONE = {"video_id", "detail"}
"""Texts that few rows share."""
_NO_ROWS = schema(VIDEOS).empty_table()


class Committed:
    """Rows by their videos' ids: the dataset's, and those of this run in their place."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        found = (_packed(batch) for batch in batches(dataset, "FROM videos", _AT_ONCE))
        self._table = _joined([*found] or [_NO_ROWS])
        pa.default_memory_pool().release_unused()  # hundreds of MB that Arrow would keep
        ids = self._table["video_id"].to_numpy().astype("S")
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]
        self._changed: dict[str, bool] = {}
        """Of videos that this run changed, whether there is a row; it is read again, if ever."""
        self._held: dict[str, dict[str, Any]] = {}

    def hold(self, videos: Iterable[str]) -> None:
        """Have the rows of these at hand, and of no others: one after the other they cost more."""
        wanted = np.array([video.encode() for video in videos], "S")
        places = np.searchsorted(self._ids, wanted)
        places = places[places < len(self._ids)]
        found = np.unique(places[np.isin(self._ids[places], wanted)])
        rows = _rows(self._table.take(self._order[found])) if len(found) else []
        self._held = {row["video_id"]: row for row in rows}

    def get(self, video: str) -> dict[str, Any] | None:
        """A video's row, if there is one."""
        if video in self._changed:
            return self._read(video) if self._changed[video] else None
        if video in self._held:
            return self._held[video]
        place = int(np.searchsorted(self._ids, video.encode()))
        if place == len(self._ids) or self._ids[place] != video.encode():
            return None
        return _rows(self._table.slice(self._order[place], 1))[0]

    def in_order(self, columns: Sequence[str], most: int) -> Iterator[list[dict[str, Any]]]:
        """Some columns, the id among them, of all videos that the dataset had when the run began,
        in the order of their ids, so many at a time.
        """
        table = self._table.select(columns)
        for begin in range(0, len(self._order), most):
            found = _rows(table.take(self._order[begin : begin + most]))
            now = (self.get(r["video_id"]) if r["video_id"] in self._changed else r for r in found)
            yield [row for row in now if row is not None]

    def put(self, row: dict[str, Any]) -> None:
        """This row of a video was committed."""
        self._changed[row["video_id"]] = True

    def pop(self, video: str) -> dict[str, Any] | None:
        """Take a video's row out."""
        row = self.get(video)
        if row is not None:
            self._changed[video] = False
        return row

    def _read(self, video: str) -> dict[str, Any]:
        return _rows(self._dataset.read(f"videos/{video}.parquet"))[0]

    def unlike(self, recipe: Recipe) -> Iterator[dict[str, Any]]:
        """The dataset's rows that may not be what the recipe makes of their videos: all but those
        without labels that have its keys.
        """
        extract = recipe.extract_key(())
        audio, judged = recipe.audio_key(extract), recipe.judge_key(extract, ())
        for batch in self._table.to_batches(_AT_ONCE):
            current = pc.and_(
                pc.equal(pc.list_value_length(batch.column("labels")), 0),
                pc.equal(batch.column("extract_key"), extract),
            )
            for part, key, wanted in (
                ("audio_part", "audio_key", audio),
                ("clips_part", "judge_key", judged),
            ):
                is_so = pc.fill_null(pc.equal(batch.column(key), wanted), False)
                current = pc.and_(current, pc.or_(pc.is_null(batch.column(part)), is_so))
            yield from _rows(batch.filter(pc.invert(current)))


def _packed(batch: pa.RecordBatch) -> pa.Table:
    """With numbers for texts that repeat, and a copy of the rest: DuckDB's buffers are twice as
    large as what is in them.
    """
    every = pa.array(np.arange(len(batch)))
    columns = [
        column.dictionary_encode()
        if pa.types.is_string(column.type) and name not in _OF_ONE
        else column.take(every)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.table(dict(zip(batch.schema.names, columns, strict=True)))


def _joined(tables: list[pa.Table]) -> pa.Table:
    """One table of one piece, from which rows are taken in no time; a column after the other, so
    that few are there twice.
    """
    table = pa.concat_tables(tables).unify_dictionaries()
    tables.clear()
    for place, field in enumerate(table.schema):
        table = table.set_column(place, field, table[place].combine_chunks())
    return table


def _rows(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
