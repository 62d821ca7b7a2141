"""A dataset's rows as they are now, held in memory so that pages of 100,000 clips come at once.

Opening every part for each question takes seconds; a snapshot takes them once, when it is made and
when the dataset has changed. It has `videos`, `clips` (without fingerprints), `decisions` and
`wide`: a clip a row, a filter's score and failure a column. Nothing else can be read through it.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dawn.curation.decisions import EXPLANATIONS, MARKED
from manifests.catalog import connect, whatever_parts
from manifests.safe_sql import answer, quoted
from manifests.schema import FINGERPRINTS, MEASURES
from manifests.store import Dataset

_LOOK_EVERY_S = 2.0
_REMOTE_EVERY_S = 30.0
_REST = 5.0
"""Times what a snapshot took is how long it is used at least: an ingest commits all the time."""
_PATIENCE_S = 10.0
"""For a condition of a user's."""
_WITHOUT_BOUND = {MARKED, "one_split"}
"""Verdicts that have no bound to move."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a filter measured over all clips."""

    name: str
    rule: str
    bounds: tuple[float, ...]
    """More than one where the bound depends on the clip."""
    low: float
    high: float
    """Of scores and bounds."""
    failed: int
    judged: int
    explanation: str

    @property
    def movable(self) -> bool:
        """Whether another bound can be asked about."""
        return self.name not in _WITHOUT_BOUND


class Snapshot:
    """Rows of a dataset. Connections of one snapshot may be used by several threads."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._stamp: object = None
        self._looked = self._made = -1e9
        self._took = 0.0
        self.scores: dict[str, Score] = {}
        """By filter, in the order of the filters."""
        self.held: dict[str, Any] = {}
        """What was worked out of all rows as they are now; made anew with them."""
        self.measures: list[str] = []
        """Numeric columns of `clips` that were measured."""

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of the caller's own to the rows as they are now."""
        with self._lock:
            if self._connection is None or self._changed():
                self._make()
            assert self._connection is not None  # noqa: S101 - made above
            return self._connection.cursor()

    def rows(self, sql: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        """Our own queries. Nothing of a user's may be in `sql`."""
        with self.cursor() as cursor:
            return cursor.sql(sql, params=values or []).to_arrow_table().to_pylist()

    def forget(self) -> None:
        """Look again at the next question: we changed something ourselves."""
        with self._lock:
            self._connection = None

    def close(self) -> None:
        """Give the memory back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def condition(self, where: str) -> pa.Table:
        """`clip_id` of the clips for which a user's condition holds. Raises InputError."""
        # The line break ends a comment that the condition may end with.
        sql = f"SELECT DISTINCT clip_id FROM clips WHERE ({where}\n)"  # noqa: S608 - read-only
        with self.cursor() as cursor:
            timer = threading.Timer(_PATIENCE_S, cursor.interrupt)
            timer.start()
            try:
                return answer(lambda: cursor, sql)
            finally:
                timer.cancel()

    def _changed(self) -> bool:
        now = time.monotonic()
        every = _LOOK_EVERY_S if self.dataset.local else _REMOTE_EVERY_S
        if now - self._looked < every or now - self._made < _REST * self._took:
            return False
        self._looked = now
        return self._now() != self._stamp

    def _now(self) -> object:
        """What differs after a commit: each moves a file into `videos/`."""
        if self.dataset.local:
            folder = Path(self.dataset.path) / "videos"
            return folder.stat().st_mtime_ns if folder.is_dir() else None
        entries = self.dataset.fs.ls(f"{self.dataset.path}/videos", detail=True, refresh=True)
        return [(entry["name"], entry.get("size"), entry.get("LastModified")) for entry in entries]

    def _make(self) -> None:
        begin = time.monotonic()
        stamp = self._now()
        held = whatever_parts(lambda alike: _taken(self.dataset, alike=alike))
        self.scores = _scores(held)
        self.measures, self.held = _measures(held), {}
        held.execute(_wide(list(self.scores)))
        for setting in ("python_enable_replacements", "enable_external_access"):
            held.execute(f"SET {setting} = false")
        held.execute("SET lock_configuration = true")
        self._connection, self._stamp = held, stamp
        self._made = self._looked = time.monotonic()
        self._took = self._made - begin


def _taken(dataset: Dataset, *, alike: bool) -> duckdb.DuckDBPyConnection:
    """The rows that pages show, in memory."""
    held = duckdb.connect()
    with connect(dataset, "clips decisions", locked=False, alike=alike) as source:
        for table, without in (
            ("videos", set()),
            ("clips", {column.name for column in FINGERPRINTS} | {"extra"}),
            ("decisions", {"video_id"}),
        ):
            there = source.sql(f"FROM {table} LIMIT 0").columns
            left_out = ", ".join(sorted(without.intersection(there)))
            exclude = f"EXCLUDE ({left_out})" if left_out else ""
            reader = source.sql(f"SELECT * {exclude} FROM {table}").to_arrow_reader(20_000)  # noqa: S608
            held.register("incoming", reader)
            held.execute(f"CREATE TABLE {table} AS FROM incoming")
            held.unregister("incoming")
    return held


_SCORES = """
SELECT filter, max(rule) AS rule, list_sort(list(DISTINCT threshold)) AS bounds,
       least(min(score), min(threshold)) AS low, greatest(max(score), max(threshold)) AS high,
       count(*) FILTER (verdict = 'fail') AS failed, count(score) AS judged
FROM decisions GROUP BY filter
"""


def _scores(held: duckdb.DuckDBPyConnection) -> dict[str, Score]:
    found = {row["filter"]: row for row in held.sql(_SCORES).to_arrow_table().to_pylist()}
    order = [*EXPLANATIONS, *sorted(found.keys() - EXPLANATIONS.keys())]
    return {
        name: Score(
            name, row["rule"], tuple(float(f"{b:.6g}") for b in row["bounds"]), row["low"],
            row["high"], row["failed"], row["judged"], EXPLANATIONS.get(name, ""),
        )
        for name in order
        if (row := found.get(name)) is not None
    }  # fmt: skip


def _measures(held: duckdb.DuckDBPyConnection) -> list[str]:
    relation = held.sql("FROM clips LIMIT 0")
    numeric = {
        name
        for name, kind in zip(relation.columns, relation.types, strict=True)
        if str(kind) in ("FLOAT", "DOUBLE", "INTEGER", "BIGINT")
    }
    known = ["duration_s", *(column.name for column in MEASURES), "duplicate_score"]
    return [name for name in known if name in numeric]


def _wide(filters: list[str]) -> str:
    """SQL that makes the table of a clip a row; columns are numbered as the filters are."""
    columns = "".join(
        f", max(score) FILTER (filter = {quoted(name)}) AS s{i}, "
        f"coalesce(bool_or(verdict = 'fail') FILTER (filter = {quoted(name)}), false) AS f{i}"
        for i, name in enumerate(filters)
    )
    return f"CREATE TABLE wide AS SELECT clip_id{columns} FROM decisions GROUP BY clip_id"  # noqa: S608
