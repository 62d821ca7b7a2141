"""Runs and results in DuckDB: views over the committed rows of many folders, and macros."""

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from manifests.catalog import add_dataset
from manifests.config import flatten
from manifests.run_macros import HELPERS, RUN_MACROS
from manifests.run_search import Kind, Run, find_runs
from manifests.runs import RUN_TABLES, RunFolder, item_name
from manifests.safe_sql import answer, lock, parts_of, use_filesystem
from manifests.schema import Column, schema
from manifests.store import Dataset

_TEXT, _INT, _BOOL = pa.string(), pa.int64(), pa.bool_()

RESULTS = (
    Column("results", _TEXT, "short name of the results folder, in all views of results"),
    Column("folder", _TEXT, "its path or URI"),
    Column("system", _TEXT, "name of what made the videos", nullable=True),
    Column("baseline", _TEXT, "which baseline it is; null: none, or not recorded", nullable=True),
    Column("protocol", _TEXT, "name of the protocol card", nullable=True),
    Column("protocol_hash", _TEXT, "hash of the protocol card", nullable=True),
    Column("dataset_hash", _TEXT, "hash of the dataset's recipe", nullable=True),
    Column("clip_list_hash", _TEXT, "hash of the clips' names", nullable=True),
    Column("checkpoint", _TEXT, "hash of the weights", nullable=True),
    Column("reference", _TEXT, "the real clips, as given", nullable=True),
    Column("same_take", _BOOL, "whether a pair shows one take", nullable=True),
    Column("clips", _INT, "clips that pair", nullable=True),
    Column("complete", _BOOL, "the evaluation is finished: its set has numbers"),
    Column("created_at", pa.timestamp("ms"), "when it was begun; null: not recorded", "UTC", True),
    Column("code_version", _TEXT, "version of dawn-pipeline", nullable=True),
)

DEFINITIONS = (
    Column("metric", _TEXT, "name of the metric"),
    Column("title", _TEXT, "the same for people"),
    Column("direction", _TEXT, "what is better: higher, lower, or closer to the reference"),
    Column("unit", _TEXT, "of the value"),
    Column("set_metric", _BOOL, "it has a number for a set only, none for a clip"),
    Column("status", _TEXT, "paper, own or proxy: the best that its numbers can be"),
    Column("place", _INT, "its place in tables"),
)

CONDITIONS = (
    Column("results", _TEXT, "the results folder"),
    Column("metric", _TEXT, "name of the metric"),
    Column("conditions_hash", _TEXT, "hash of all its settings, as in the metric's rows", "", True),
    Column("setting", _TEXT, "such as libraries.mediapipe, weights.arcface, card.size, version"),
    Column("value", _TEXT, "what it was when the numbers were made"),
)

# A clip's row in `clips` is what makes its other rows count; the set's rows come last of all and
# are of all clips, so they count once the evaluation is finished.
_CLIP_RESULTS = """
SELECT results.results, part.* EXCLUDE (filename) FROM ({parts}) AS part
JOIN results ON parse_dirpath(part.filename) = results.folder || '/clips'
"""
_METRICS = """
SELECT results.results, part.* EXCLUDE (filename) FROM ({parts}) AS part
JOIN results ON parse_dirpath(part.filename) = results.folder || '/metrics'
WHERE if(
    part.clip_id IS NULL, results.complete,
    (results.results, part.clip_id) IN (SELECT (results, clip_id) FROM clip_results)
)
"""
# The same rows of the sets, without opening every clip's part.
_SET_METRICS = """
SELECT results.results, part.* EXCLUDE (filename) FROM ({parts}) AS part
JOIN results ON parse_dirpath(part.filename) = results.folder || '/metrics'
WHERE part.clip_id IS NULL AND results.complete
"""
_FEATURES = """
SELECT results.results, part.* EXCLUDE (filename) FROM ({parts}) AS part
JOIN results ON parse_dirpath(part.filename) = results.folder || '/features'
SEMI JOIN clip_results ON clip_results.results = results.results
    AND clip_results.clip_id = part.clip_id
"""
_GENERATIONS = """
SELECT parse_dirpath(parse_dirpath(part.filename)) AS folder, part.* EXCLUDE (filename)
FROM ({parts}) AS part
"""
_TRAINING = """
SELECT parse_dirpath(part.filename) AS folder, part.* EXCLUDE (filename) FROM ({parts}) AS part
"""

_VIEWS = {
    "clip_results": ("results", "clips", _CLIP_RESULTS),
    "metrics": ("results", "metrics", _METRICS),
    "_set_metrics": ("results", "metrics", _SET_METRICS),
    "features": ("results", "features", _FEATURES),
    "generations": ("generations", "generations", _GENERATIONS),
    "training": ("training", "training", _TRAINING),
    "speed_runs": ("speed", "speed_runs", _GENERATIONS),
}
"""View -> kind of folder, table of manifests.runs, SQL over its parts."""

_STANDS_ON = {
    "metrics": ("clip_results",),
    "features": ("clip_results",),
    "compare": ("metrics", "clip_results"),
    "leaderboard": ("_set_metrics",),
    "history": ("_set_metrics",),
}
_TABLES = ("results", "definitions", "conditions")
"""Of the info files and the catalogue: always there."""
TRAINING_FILE = "metrics.parquet"
"""Of a run of `dawn train`: its numbers, the whole table."""
_HEAVY = {"features": ("values",)}
"""Columns that no question is about: left out of the view, so that they are never read."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """What those who write runs know of them: the kinds of folders, named results, generations,
    training and speed; rows of DEFINITIONS; the item that a set's own rows are committed as.
    """

    kinds: Sequence[Kind]
    definitions: Sequence[Mapping[str, Any]]
    set_item: str


def query_runs(
    sql: str, roots: Iterable[str], conventions: Conventions, dataset: Dataset | None = None
) -> pa.Table:
    """Run one read-only statement over the runs in these folders, and a dataset if one is given.

    Raises InputError for folders without a run and with DuckDB's reason.
    """
    runs = find_runs(roots, conventions.kinds)
    # Not the roots: DuckDB takes `link/..` for where the link lies, so that a link to a run on
    # another disk would open that disk.
    allowed = [run.folder.uri for run in runs] + ([dataset.uri] if dataset else [])

    def connect() -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        if dataset is not None:
            add_dataset(connection, dataset)
        add_runs(connection, runs, conventions, names_in(sql))
        lock(connection, allowed)
        return connection

    return answer(connect, sql)


def names_in(sql: str) -> set[str]:
    """Views and macros that a statement may use: all, where it names none (`SHOW TABLES`).

    To make one is to open every part that it is of, so what is not used is not made.
    """
    there = {*_TABLES, *_VIEWS, *map(_called, RUN_MACROS)}
    named = {name for name in there if name in sql.lower()} or there
    return named.union(*(_STANDS_ON.get(name, ()) for name in named))


def _called(signature: str) -> str:
    return signature.split("(")[0]


def add_runs(
    connection: duckdb.DuckDBPyConnection,
    runs: Sequence[Run],
    conventions: Conventions,
    names: Collection[str],
) -> None:
    """Give a connection the views and macros of these names over runs, as their files are now.

    Raises InputError for an info file that cannot be read.
    """
    for run in runs:
        use_filesystem(connection, run.folder.fs, local=run.folder.local)
    results = [_result(run) for run in runs if run.kind == "results"]
    connection.register("results", pa.Table.from_pylist(results, schema(RESULTS)))
    settings = [row for run in runs if run.kind == "results" for row in _settings(run)]
    connection.register("conditions", pa.Table.from_pylist(settings, schema(CONDITIONS)))
    meanings = [dict(row) for row in conventions.definitions]
    connection.register("definitions", pa.Table.from_pylist(meanings, schema(DEFINITIONS)))
    for view, (kind, table, sql) in _VIEWS.items():
        if view not in names:
            continue
        folders = [run.folder for run in runs if run.kind == kind]
        if view == "_set_metrics":
            files = _files(folders, f"metrics/{item_name(conventions.set_item)}.parquet")
        elif view == "training":
            files = _files(folders, TRAINING_FILE)
        else:
            having = [f"{folder.uri}/{table}" for folder in folders if folder.parts(table)]
            files = parts_of(having) if having else None
        parts = _with_every_column(connection, view, table, files)
        connection.execute(f"CREATE VIEW {view} AS {sql.format(parts=parts)}")
    for signature, sql in HELPERS.items():
        connection.execute(f"CREATE MACRO {signature} AS {sql}")
    for signature, (_, sql) in RUN_MACROS.items():
        if _called(signature) in names:
            connection.execute(f"CREATE MACRO {signature} AS TABLE {sql}")


def _files(folders: Sequence[RunFolder], name: str) -> str | None:
    """One file of each folder that has it, as a table expression."""
    having = [folder.uri for folder in folders if folder.fs.exists(folder.at(name))]
    return parts_of(having, name) if having else None


def _with_every_column(
    connection: duckdb.DuckDBPyConnection, view: str, table: str, files: str | None
) -> str:
    """SQL for the rows of files with every column of today's schema, whoever wrote them when."""
    heavy = _HEAVY.get(view, ())
    columns = [column for column in RUN_TABLES[table] if column.name not in heavy]
    empty = schema((*columns, Column("filename", _TEXT, "the part"))).empty_table()
    connection.register(f"_no_{view}", empty)
    rows = f"SELECT * FROM _no_{view}"  # noqa: S608 - a name of ours
    if files is None:
        return rows
    quoted = ", ".join(f'"{name}"' for name in heavy)
    left_out = f"EXCLUDE ({quoted})" if heavy else ""
    return f"{rows} UNION ALL BY NAME SELECT * {left_out} FROM {files}"  # noqa: S608


def _result(run: Run) -> dict[str, Any]:
    """The row of `results`; what an info file does not say is null."""
    info = run.folder.info()
    protocol = info.get("protocol")
    card = protocol.get("card") if isinstance(protocol, dict) else None
    told = {column.name: info.get(column.name) for column in RESULTS}
    row = {
        **{name: None if value is None else str(value) for name, value in told.items()},
        "clips": value if isinstance(value := info.get("clips"), int) else None,
        "same_take": value if isinstance(value := info.get("same_take"), bool) else None,
        "complete": info.get("complete") is True,
        "created_at": _utc(info.get("created_at")),
        "protocol": str(card["name"]) if isinstance(card, dict) and "name" in card else None,
    }
    return row | {"results": run.name, "folder": run.folder.uri}


def _settings(run: Run) -> Iterator[dict[str, str | None]]:
    """Rows of `conditions`; none where an info file does not tell of them."""
    info = run.folder.info()
    protocol, standings = info.get("protocol"), info.get("standings")
    found = protocol.get("metrics") if isinstance(protocol, dict) else None
    if not isinstance(found, dict) or not isinstance(standings, dict):
        return
    for metric, conditions in found.items():
        told = standings.get(metric)
        if not isinstance(conditions, dict) or not isinstance(told, dict):
            continue
        own = {"results": run.name, "metric": metric, "conditions_hash": told.get("hash")}
        for setting, value in flatten(conditions).items():
            yield own | {"setting": setting, "value": str(value)}


def _utc(text: object) -> datetime.datetime | None:
    """An ISO time with its zone as UTC without one; None for anything else."""
    try:
        time = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time.astimezone(datetime.UTC).replace(tzinfo=None) if time.tzinfo else None
