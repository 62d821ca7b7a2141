"""Numbers of results and rows of generations in memory, for pages that compare systems."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import duckdb

from manifests.errors import InputError
from manifests.run_catalog import Conventions, add_runs
from manifests.run_search import Run

_LOOK_EVERY_S = 3.0
_CURVES = ("mouth_generated", "mouth_reference", "loudness", "csim")

# How bad a number is, by what its metric says is better.
_COST = """
CASE direction WHEN 'higher' THEN -value WHEN 'lower' THEN value ELSE abs(value - reference) END
"""


class ScoreBook:
    """Rows of results and generations, taken again when their folders have changed."""

    def __init__(self, runs: Sequence[Run], conventions: Conventions) -> None:
        self._runs, self._conventions = list(runs), conventions
        self._lock = threading.Lock()
        self._held: duckdb.DuckDBPyConnection | None = None
        self._stamp: object = None
        self._looked = -1e9

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Our own queries, with values of users' only in `values`."""
        with self._cursor() as cursor:
            return cursor.sql(sql, params=list(values)).to_arrow_table().to_pylist()

    def close(self) -> None:
        """Give the memory back."""
        with self._lock:
            if self._held is not None:
                self._held.close()
            self._held = None

    def metrics(self) -> list[dict[str, Any]]:
        """Metrics that a clip has numbers of: name, title, direction, unit; in order of tables."""
        return self.rows(
            "SELECT metric, title, direction, unit FROM definitions SEMI JOIN "
            "(SELECT metric FROM numbers WHERE value IS NOT NULL) USING (metric) ORDER BY place"
        )

    def worst(
        self, metric: str, system: str, find: str, *, best: bool, offset: int, limit: int
    ) -> tuple[int, list[dict[str, Any]]]:
        """How many clips of a system have a number, and some of them, the worst first."""
        values = [metric, system, find.lower()]
        source = (
            f"FROM (SELECT *, {_COST} AS cost FROM numbers JOIN definitions USING (metric) "  # noqa: S608 - ours
            "WHERE metric = ? AND results = ? AND contains(lower(concat_ws(' ', clip_id, speaker)),"
            " ?)) WHERE cost IS NOT NULL"
        )
        ((total,),) = [(row["n"],) for row in self.rows(f"SELECT count(*) AS n {source}", values)]
        way = "ASC" if best else "DESC"
        page = self.rows(
            f"SELECT clip_id, speaker, value, reference {source} "
            f"ORDER BY cost {way}, clip_id LIMIT {limit} OFFSET {offset}",
            values,
        )
        return total, page

    def numbers_of(self, clip: str) -> list[dict[str, Any]]:
        """All numbers of a clip, a row for each metric and results."""
        return self.rows(
            f"SELECT results, metric, title, direction, unit, value, reference, status, reason, "  # noqa: S608
            f"{_COST} AS cost FROM numbers JOIN definitions USING (metric) WHERE clip_id = ? "
            "ORDER BY place, results",
            [clip],
        )

    def of_sets(self) -> list[dict[str, Any]]:
        """The sets' numbers, a row for each metric and results."""
        return self.rows(
            "SELECT results, metric, title, direction, unit, value, reference, n, n_total, status, "
            "reason FROM of_sets JOIN definitions USING (metric) ORDER BY place, results"
        )

    def curves(self, results: str, clip: str) -> dict[str, list[float | None]]:
        """Curves of a clip, by name; read from its own part where it has one."""
        run = next((r for r in self._runs if r.kind == "results" and r.name == results), None)
        if run is None:
            return {}
        if run.folder.has("clips", clip):
            rows = run.folder.read_item("clips", clip).to_pylist()
        else:
            rows = run.folder.read("clips", ["clip_id", *_CURVES]).to_pylist()
        found: dict[str, Any] = next((row for row in rows if row["clip_id"] == clip), {})
        return {name: [_rounded(v) for v in found.get(name) or ()] for name in _CURVES}

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            now = time.monotonic()
            if self._held is None or now - self._looked > _LOOK_EVERY_S:
                self._looked = now
                stamp = [_stamp_of(run) for run in self._runs]
                if self._held is None or stamp != self._stamp:
                    self._held, self._stamp = self._taken(), stamp
            return self._held.cursor()

    def _taken(self) -> duckdb.DuckDBPyConnection:
        held = duckdb.connect()
        names = {"results", "definitions", "clip_results", "metrics", "generations", "_set_metrics"}
        with duckdb.connect() as source:
            add_runs(source, self._runs, self._conventions, names)
            for table, sql in _TABLES.items():
                held.register("incoming", source.sql(sql).to_arrow_reader(20_000))
                held.execute(f"CREATE TABLE {table} AS FROM incoming")
                held.unregister("incoming")
            folders = {run.folder.uri: run.name for run in self._runs if run.kind == "generations"}
        held.execute("CREATE TABLE folders (folder VARCHAR, run_name VARCHAR)")
        if folders:
            held.executemany("INSERT INTO folders VALUES (?, ?)", list(folders.items()))
        held.execute("SET enable_external_access = false")
        return held


_TABLES = {
    "results": "SELECT results, system, baseline, protocol, clips, complete, created_at "
    "FROM results",
    "definitions": "SELECT metric, title, direction, unit, place FROM definitions",
    "clip_rows": "SELECT results, clip_id, speaker, split, video, reference, frames, duration_s, "
    "real_time_factor, status, reason FROM clip_results",
    "numbers": "SELECT results, metric, clip_id, speaker, value, reference, status, reason "
    "FROM metrics WHERE clip_id IS NOT NULL",
    "of_sets": "SELECT results, metric, value, reference, n, n_total, status, reason "
    "FROM metrics WHERE clip_id IS NULL",
    "generations": "SELECT * FROM generations",
}


def _stamp_of(run: Run) -> object:
    """What differs when rows were added: parts are never changed in place."""
    tables = ("generations",) if run.kind == "generations" else ("metrics", "clips")
    parts = [frozenset(run.folder.names(table)) for table in tables]
    try:
        return run.folder.info().get("complete"), parts
    except InputError:  # being written anew
        return None, parts


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else float(f"{value:.4g}")
