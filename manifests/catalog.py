"""The dataset in DuckDB: views over the committed rows, macros, and safe SQL from users.

A connection takes one look at `videos` and reads the parts that these rows name. Listing the parts
anew for each view would lose rows without a word when a writer moved them in between; a part that
is gone by the time it is read is an error, and `answer` looks again.
"""

import atexit
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import InputError
from manifests.macros import MACROS
from manifests.safe_sql import (
    SCHEMA_MISMATCH,
    answer,
    files_of,
    lock,
    parts_of,
    quoted,
    use_filesystem,
)
from manifests.schema import COLUMNS, schema
from manifests.store import COMPACT, Dataset

T = TypeVar("T")

_VIDEOS = """
SELECT {columns} FROM {files}
QUALIFY row_number() OVER (
    PARTITION BY video_id
    ORDER BY parse_filename(filename) LIKE 'compact-%', parse_filename(filename) DESC
) = 1
"""
_REPLACED = """
SELECT video_id, filename FROM {merged}
SEMI JOIN (FROM {merged} SELECT video_id GROUP BY video_id HAVING count(*) > 1) USING (video_id)
QUALIFY row_number() OVER (PARTITION BY video_id ORDER BY parse_filename(filename) DESC) > 1
"""
_OF_MANY = """
SELECT {columns} FROM {merged}
ANTI JOIN loose_videos USING (video_id) ANTI JOIN replaced_videos USING (video_id, filename)
UNION ALL BY NAME FROM loose_videos
"""
_FEW = 50_000
"""Rows of `videos` that are held, at over a kB each. Of more, those in merged parts are read as far
as they are asked for.
"""
_ALL = "* EXCLUDE (filename)"
_NEEDED = ", ".join(["video_id", *(f"{table}_part" for table in COLUMNS if table != "videos")])
"""Columns of `videos` that views of other tables look at."""
_OF_VIDEOS = """
SELECT * EXCLUDE (filename) FROM {files} AS part
SEMI JOIN videos ON videos.{column} = parse_filename(part.filename)
    AND videos.video_id = part.video_id
"""

_LOOKS = 5
_MANY = 100
"""Parts up to which it costs little to look at each for its columns."""
_ENGINES: dict[tuple[int, str], duckdb.DuckDBPyConnection] = {}
"""By process and folder."""
_LEAN: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_file_cache": False,
    "allocator_flush_threshold": "1MB",
}
"""An engine that is kept holds no file's content, nor the memory that a large query needed."""

_TIMINGS = """
SELECT video_id, duration_s AS footage_s, step.step AS step, step.seconds AS seconds
FROM (SELECT video_id, duration_s, unnest(step_seconds) AS step FROM videos)
"""

_FURTHER = """
SELECT max(extra.name) AS name, list(DISTINCT extra.type) AS types
FROM (SELECT unnest(label.extra) AS extra FROM (SELECT unnest(labels) AS label FROM videos))
GROUP BY lower(extra.name) ORDER BY lower(extra.name)
"""


def add_dataset(
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    sql: str = "",
    *,
    ours: bool = False,
    alike: bool = False,
) -> None:
    """Give a connection the dataset's rows, and the views and macros that `sql` may use.

    `ours`: as the connection alone sees them, and without the columns of `clips` that there are for
    further columns of source lists. `alike`: many parts are taken to have the columns of today; see
    `files_of`.
    """
    use_filesystem(connection, dataset.fs, local=dataset.local)
    used = _used(sql)
    columns = _NEEDED if ours and not used & {"videos", "timings"} else _ALL
    made = _Made("TEMP " if ours else "", columns, alike)
    parts = _look(connection, dataset, made)
    for table in parts.keys() & used:
        more = "" if ours or table != "clips" else _further(connection)
        files = _files(dataset, table, parts[table], alike=alike) if parts[table] else None
        _create_view(connection, f"{made.kept}VIEW {table}", table, files, more)
    if "timings" in used:
        connection.execute(f"CREATE {made.kept}VIEW timings AS {_TIMINGS}")
    for signature, (_, query) in MACROS.items():
        if _called(signature) in used:
            connection.execute(f"CREATE {made.kept}MACRO {signature} AS TABLE {query}")


def connect(
    dataset: Dataset, sql: str = "", *, locked: bool = True, alike: bool = False
) -> duckdb.DuckDBPyConnection:
    """An in-memory connection with the dataset's views and macros, as far as `sql` uses them.

    `locked` shuts everything but files under the dataset's root, for good; `alike` as in
    `add_dataset`.
    """
    connection = duckdb.connect()
    add_dataset(connection, dataset, sql, alike=alike)
    if locked:
        lock(connection, [dataset.uri])
    return connection


def _ours(
    dataset: Dataset, sql: str, *, alike: bool, kept: bool = True
) -> duckdb.DuckDBPyConnection:
    """The same for our own queries, where no name of a user's column can meet ours. A dataset on a
    disk has an engine, which is used again unless the caller wants one that ends.
    """
    kept &= dataset.local
    connection = _engine(dataset.uri).cursor() if kept else duckdb.connect()
    add_dataset(connection, dataset, sql, ours=True, alike=alike)
    if not kept:
        lock(connection, [dataset.uri])
    return connection


def _engine(root: str) -> duckdb.DuckDBPyConnection:
    """A database shut to everything but a folder, kept until another folder is asked about:
    starting one takes as long as a query. A fork leaves its parent's alone, whose threads it has
    not.
    """
    mine = os.getpid()
    engine = _ENGINES.get((mine, root))
    if engine is None:
        engine = duckdb.connect(config=_LEAN)
        lock(engine, [root])
        _end_engines()
        _ENGINES[mine, root] = engine
    return engine


@atexit.register  # DuckDB complains of one that is there at the end
def _end_engines() -> None:
    for key in [key for key in _ENGINES if key[0] == os.getpid()]:
        _ENGINES.pop(key, None)


def query(dataset: Dataset, sql: str) -> pa.Table:
    """Run one read-only statement of a user's. Raises InputError with DuckDB's reason."""
    return whatever_parts(lambda alike: answer(lambda: connect(dataset, sql, alike=alike), sql))


def own_query(dataset: Dataset, sql: str) -> pa.Table:
    """One of our own queries."""
    return whatever_parts(lambda alike: answer(lambda: _ours(dataset, sql, alike=alike), sql))


def whatever_parts(ask: Callable[[bool], T]) -> T:
    """Ask as if parts were `alike`, and again where some are of an older version."""
    try:
        return ask(True)
    except (InputError, duckdb.Error) as error:
        if SCHEMA_MISMATCH not in str(error):
            raise
    return ask(False)


def rows(dataset: Dataset, sql: str) -> list[dict[str, Any]]:
    """The same as a list of rows."""
    found: list[dict[str, Any]] = own_query(dataset, sql).to_pylist()
    return found


def batches(dataset: Dataset, sql: str, most: int) -> Iterator[pa.RecordBatch]:
    """The same a batch at a time, of up to so many rows; only while nobody else writes, since it
    does not look again. The memory that DuckDB needed for many rows is given back at the end.
    """

    def begun(alike: bool) -> tuple[duckdb.DuckDBPyConnection, pa.RecordBatchReader]:
        connection = _ours(dataset, sql, alike=alike, kept=False)
        return connection, connection.sql(sql).to_arrow_reader(most)

    connection, reader = whatever_parts(begun)
    with connection:
        yield from reader


def strays(dataset: Dataset) -> list[dict[str, Any]]:
    """The `part` of clips and `video_id` of rows whose video has no row: forgotten, or lost."""
    if not _parquet(dataset, "clips"):
        return []
    clips = parts_of([f"{dataset.uri}/clips"], alike=True)
    return rows(
        dataset,
        "SELECT DISTINCT parse_filename(filename) AS part, video_id "  # noqa: S608 - our own path
        f"FROM {clips} ANTI JOIN videos USING (video_id) ORDER BY ALL",
    )


def mixed_parts(dataset: Dataset) -> set[str]:
    """Parts of `clips` with rows of videos that do not name them."""
    if not _parquet(dataset, "clips"):
        return set()
    clips = parts_of([f"{dataset.uri}/clips"], alike=True)
    found = rows(
        dataset,
        "SELECT DISTINCT parse_filename(filename) AS part "  # noqa: S608 - our own path
        f"FROM {clips} AS rows ANTI JOIN videos "
        "ON videos.video_id = rows.video_id AND clips_part = parse_filename(filename)",
    )
    return {row["part"] for row in found}


def _further(connection: duckdb.DuckDBPyConnection) -> str:
    """The further columns as typed expressions. A column of several types is text, but for whole
    numbers among others.
    """
    labels = connection.sql("SELECT labels FROM videos LIMIT 0").to_arrow_table()
    if labels.schema.field("labels").type.value_type.get_field_index("extra") < 0:
        return ""  # of an older version
    columns = []
    for name, types in connection.execute(_FURTHER).fetchall():
        kind = types[0] if len(types) == 1 else "VARCHAR"
        if {*types} == {"BIGINT", "DOUBLE"}:
            kind = "DOUBLE"
        mine = f"lambda entry: lower(entry.name) = {quoted(name.lower())}"
        column = name.replace('"', '""')
        value = f"list_filter(extra, {mine})[1].value"
        columns.append(f', CAST({value} AS {kind}) AS "{column}"')
    return "".join(columns)


def _used(sql: str) -> set[str]:
    """Views and macros that a statement may use: all, where it names none (`SHOW TABLES`).

    To make one is to open every part that it is of, so what is not used is not made.
    """
    tables, macros = {*COLUMNS, "timings"}, {*map(_called, MACROS)}
    named = {name for name in tables | macros if name in sql.lower()}
    return tables | macros if not named or named & macros else named


def _called(signature: str) -> str:
    return signature.split("(")[0]


class _Made(NamedTuple):
    """How `videos` and views are made."""

    kept: str
    """What SQL says before TABLE or VIEW."""
    columns: str
    """Of `videos`."""
    alike: bool
    """Whether many parts are taken to have the columns of today."""


def _look(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, made: _Made
) -> dict[str, list[str]]:
    """Make `videos`; the parts of each other table that its rows name and that are there."""
    make_videos = _hold if _are_few(dataset, _parquet(dataset, "videos")) else _view
    for attempt in range(_LOOKS):
        before = _parquet(dataset, "videos")
        make_videos(connection, dataset, before, made)
        named = _named(connection)
        there = {table: named[table] & {*dataset.names(table)} for table in named}
        if there == named and _merged(before) == _merged(_parquet(dataset, "videos")):
            break
        time.sleep(0.01 * 2**attempt)  # a writer was at work
    # What is missing even now is lost; `validate` names it.
    return {table: sorted(names) for table, names in there.items()}


def _are_few(dataset: Dataset, names: list[str]) -> bool:
    """Whether all rows of `videos` may be held. Loose parts, of one row each, are few."""
    rows = 0
    for name in _merged(names):
        with contextlib.suppress(FileNotFoundError), dataset.open_part(f"videos/{name}") as file:
            rows += pq.read_metadata(file).num_rows
        if rows > _FEW:
            return False
    return True


def _hold(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, names: list[str], made: _Made
) -> None:
    """All rows of `videos` as a table."""
    what = f"{made.kept}TABLE videos"
    if names:
        files = _files(dataset, "videos", names, alike=made.alike)
        _make(connection, what, _VIDEOS, files=files, columns=made.columns)
        return
    connection.register("_no_videos", schema(COLUMNS["videos"]).empty_table())
    _make(connection, what, "FROM _no_videos")
    connection.unregister("_no_videos")


def _view(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, names: list[str], made: _Made
) -> None:
    """Hold loose rows alone, which a writer replaces under their names."""
    merged, (kept, columns, alike) = _merged(names), made
    loose = [name for name in names if not name.startswith(COMPACT)]
    files = _files(dataset, "videos", merged)
    some = _files(dataset, "videos", loose or merged[:1], alike=alike)
    sql = _VIDEOS if loose else _VIDEOS + " LIMIT 0"
    _make(connection, f"{kept}TABLE loose_videos", sql, files=some, columns=columns)
    _make(connection, f"{kept}TABLE replaced_videos", _REPLACED, merged=files)
    _make(connection, f"{kept}VIEW videos", _OF_MANY, merged=files, columns=columns)


def _make(connection: duckdb.DuckDBPyConnection, what: str, sql: str, **names: str) -> None:
    connection.execute(f"CREATE OR REPLACE {what} AS {sql.format(**names)}")


def _files(dataset: Dataset, table: str, names: list[str], *, alike: bool = False) -> str:
    """A table's parts as a table expression."""
    model = _model(dataset, table, names) if alike and len(names) > _MANY else None
    first = sorted(names, key=lambda name: name != model)
    paths = (f"{dataset.uri}/{table}/{name}" for name in first)
    return files_of(paths, alike=model is not None)


def _model(dataset: Dataset, table: str, names: list[str]) -> str | None:
    """One of the first parts, if it has the columns of today, their fields too: DuckDB would leave
    out a field that the first file has not.
    """
    for name in names[:_LOOKS]:
        with (
            contextlib.suppress(OSError, pa.ArrowException),  # DuckDB will name it
            dataset.open_part(f"{table}/{name}") as file,
        ):
            if pq.read_schema(file).equals(schema(COLUMNS[table])):
                return name
    return None


def _named(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """Table -> the parts that rows name."""
    tables = [table for table in COLUMNS if table != "videos"]
    columns = ", ".join(f"{table}_part" for table in tables)
    found = connection.execute(f"SELECT DISTINCT {columns} FROM videos").fetchall()  # noqa: S608
    return {table: {row[i] for row in found} - {None} for i, table in enumerate(tables)}


def _parquet(dataset: Dataset, table: str) -> list[str]:
    return [name for name in dataset.names(table) if name.endswith(".parquet")]


def _merged(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(COMPACT)]


def _create_view(
    connection: duckdb.DuckDBPyConnection, what: str, table: str, files: str | None, more: str
) -> None:
    if files is None:
        connection.register(f"_no_{table}", schema(COLUMNS[table]).empty_table())
        connection.execute(f"CREATE {what} AS SELECT *{more} FROM _no_{table}")  # noqa: S608
        return
    sql = _OF_VIDEOS.format(files=files, column=f"{table}_part")
    connection.execute(f"CREATE {what} AS SELECT *{more} FROM ({sql})")  # noqa: S608
