"""SQL from users, run so that it can read what it was given and do nothing else."""

import re
import time
from collections.abc import Callable, Iterable

import duckdb
import fsspec
import pyarrow as pa

from manifests.errors import InputError
from manifests.small_files import ReadingAhead

_READ_ONLY = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_ATTEMPTS = 5
SCHEMA_MISMATCH = "schema mismatch in glob"
_OF_FILES = re.compile(r"\b(FileNotFoundError|FileExpired)\b")


def answer(connect: Callable[[], duckdb.DuckDBPyConnection], sql: str) -> pa.Table:
    """Run one read-only statement on a connection that `connect` makes, anew at each attempt.

    Raises InputError with DuckDB's reason.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise InputError(f"SQL: {_reason(error)}") from error
    if len(statements) != 1:
        raise InputError(f"SQL: give one statement, not {len(statements)}")
    if statements[0].type not in _READ_ONLY:
        raise InputError("SQL: only SELECT is allowed here; a query changes nothing")
    for attempt in range(_ATTEMPTS):
        try:
            return connect().sql(sql).to_arrow_table()
        except duckdb.Error as error:
            # A part that was replaced between listing and reading: list again.
            if attempt == _ATTEMPTS - 1 or not _is_of_files(error):
                raise InputError(f"SQL: {_reason(error)}") from error
            time.sleep(0.05 * 2**attempt)
    raise AssertionError("unreachable")


def _is_of_files(error: duckdb.Error) -> bool:
    """What reading raises; of our file systems DuckDB gives Python's errors as text."""
    return isinstance(error, duckdb.IOException) or bool(_OF_FILES.search(str(error)))


def use_filesystem(
    connection: duckdb.DuckDBPyConnection, fs: fsspec.AbstractFileSystem, *, local: bool
) -> None:
    """Let the connection read from `fs`, which DuckDB does by itself where it is `local`."""
    name = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    if local or connection.filesystem_is_registered(name):
        return
    connection.register_filesystem(ReadingAhead(fs))


def lock(connection: duckdb.DuckDBPyConnection, folders: Iterable[str]) -> None:
    """Shut everything but files under these paths or URIs, for good."""
    # A folder as it is, for the files, and as the views' patterns spell it.
    forms = [quoted(f"{form}/") for folder in folders for form in (folder, _glob(folder))]
    connection.execute(f"SET allowed_directories = [{', '.join(forms)}]")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def parts_of(folders: Iterable[str], pattern: str = "[!.]*.parquet", *, alike: bool = False) -> str:
    """The Parquet files of folders as a table expression with a column `filename`; see
    `files_of`.
    """
    return _table((f"{_glob(folder)}/{pattern}" for folder in folders), alike)


def files_of(paths: Iterable[str], *, alike: bool = False) -> str:
    """These Parquet files as a table expression with a column `filename`.

    `alike`: with the columns of the first one and their fields. Others' further ones are left out
    without a word; where one of these is missing, a query that asks for it fails with
    `SCHEMA_MISMATCH`. Otherwise all are looked at first, and DuckDB keeps 170 kB of each.
    """
    return _table(map(_glob, paths), alike)


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def _table(patterns: Iterable[str], alike: bool) -> str:
    """Glob characters in paths are escaped, and `name=value` in a path is no column. A view takes
    no parameters, hence the quoting by hand.
    """
    files = ", ".join(map(quoted, patterns))
    return (
        f"read_parquet([{files}], union_by_name = {not alike}, filename = true, "
        "hive_partitioning = false)"
    )


def _glob(path: str) -> str:
    """A path as a pattern that matches only itself."""
    return "".join(f"[{c}]" if c in "[]*?" else c for c in path)


def _reason(error: duckdb.Error) -> str:
    """What DuckDB says, in one line: the fault and its suggestions, without the statement again."""
    said = str(error).strip().split("\nLINE ", 1)[0]
    return " ".join(line.strip() for line in said.splitlines() if line.strip())
