"""The rows of videos in their order, from parts of which many videos share some."""

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.parquet import video_bounds
from manifests.small_files import each_opened
from manifests.store import COMPACT, Dataset

_OPEN = 16
"""Merged parts that are open at once. Each holds neighbours, so one after the other is read."""


class Part:
    """An open part, and which videos each of its row groups may hold."""

    def __init__(self, file: IO[bytes]) -> None:
        self._parquet = pq.ParquetFile(file)
        self.schema = self._parquet.schema_arrow
        self._bounds = video_bounds(self._parquet)
        self._last: tuple[int, list[str], list[pa.RecordBatch]] | None = None

    def rows_of(
        self, videos: Sequence[str], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of neighbouring videos, as they lie; of `columns`, those that the part has."""
        wanted, least, most = pa.array(videos, pa.string()), min(videos), max(videos)
        names = [n for n in self.schema.names if columns is None or n in columns]
        for group, (low, high) in enumerate(self._bounds):
            if high < least or low > most:
                continue
            for batch in self._group(group, names):
                mine = batch.filter(pc.is_in(batch.column("video_id"), wanted))
                if mine.num_rows:
                    yield mine.select(names)

    def _group(self, group: int, names: list[str]) -> list[pa.RecordBatch]:
        """A row group; the last one is held, for the next of its videos after others' parts."""
        if self._last is None or self._last[:2] != (group, names):
            needed = {*names, "video_id"}
            batches = self._parquet.iter_batches(
                row_groups=[group], columns=[*needed], use_threads=False
            )
            self._last = group, names, [*batches]
        return self._last[2]


class MergedParts:
    """Merged parts of one table, open while their videos are read: until `close`."""

    def __init__(self, dataset: Dataset, table: str) -> None:
        self._dataset, self._table = dataset, table
        self._open: OrderedDict[str, tuple[ExitStack, Part]] = OrderedDict()

    def part(self, name: str) -> Part:
        """A part by its file's name. Raises FileNotFoundError."""
        if name not in self._open:
            if len(self._open) == _OPEN:
                _, (stack, _) = self._open.popitem(last=False)
                stack.close()
            stack = ExitStack()
            file = stack.enter_context(self._dataset.open_part(f"{self._table}/{name}"))
            self._open[name] = stack, Part(file)
        self._open.move_to_end(name)
        return self._open[name][1]

    def rows_of(
        self, videos: Sequence[tuple[str, str]], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of videos, each given as its id and its part's name, in that order; small parts of
        object stores are fetched many at a time. Raises FileNotFoundError for a part that is gone.
        """
        folder = f"{self._dataset.path}/{self._table}"
        runs = [
            (part, [video for video, _ in run])
            for part, run in itertools.groupby(videos, itemgetter(1))
        ]
        small = [f"{folder}/{part}" for part, _ in runs if not part.startswith(COMPACT)]
        files = each_opened(self._dataset.fs, small)
        for part, ids in runs:
            found = self.part(part) if part.startswith(COMPACT) else Part(next(files))
            yield from found.rows_of(ids, columns)

    def close(self) -> None:
        """Close what is open."""
        for stack, _ in self._open.values():
            stack.close()
