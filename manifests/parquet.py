"""Parquet files: how parts are written, and how all of ours are read.

Files are read in the calling thread alone. `pyarrow.parquet.read_table` reads in threads that may
keep a Python file for a moment after it has answered; a command that ends in that moment is
aborted, its work done, because the thread then asks a finished interpreter to let the file go.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def read_parquet(
    file: IO[bytes],
    columns: Sequence[str] | None = None,
    where: tuple[str, str] | None = None,
    whole: pa.Schema | None = None,
) -> pa.Table:
    """The columns, in the order asked for, of an open file; `where` keeps the rows of one value.
    Columns asked for that the file lacks are null where `whole`, the table's schema, lets them be.

    Row groups that cannot hold the value are not read. Raises pa.ArrowException for a file that
    is no Parquet, is damaged or lacks a column.
    """
    parquet = pq.ParquetFile(file)
    names = parquet.schema_arrow.names
    wanted = list(names if columns is None else columns)
    known = {} if whole is None else {field.name: field for field in whole if field.nullable}
    if absent := [known[name] for name in wanted if name not in names and name in known]:
        there = read_parquet(file, [name for name in wanted if name in names], where, None)
        for field in absent:
            there = there.append_column(field, pa.nulls(there.num_rows, field.type))
        return there.select(wanted)
    needed = wanted if where is None else [*wanted, where[0]]
    if missing := sorted(set(needed) - set(names)):
        raise pa.ArrowInvalid(f"no column {', '.join(missing)}")
    if where is None:
        return parquet.read(needed, use_threads=False).select(wanted)
    groups = [i for i in range(parquet.num_row_groups) if _may_hold(parquet, i, *where)]
    table = parquet.read_row_groups(groups, needed, use_threads=False)
    return table.filter(pc.equal(table[where[0]], where[1])).select(wanted)


def read_batches(file: IO[bytes], where: tuple[str, str] | None = None) -> Iterator[pa.RecordBatch]:
    """An open file's rows, a batch at a time; `where` skips row groups without the value."""
    parquet = pq.ParquetFile(file)
    groups = [
        i for i in range(parquet.num_row_groups) if where is None or _may_hold(parquet, i, *where)
    ]
    yield from parquet.iter_batches(row_groups=groups, use_threads=False)


def video_bounds(parquet: pq.ParquetFile) -> list[tuple[str, str]]:
    """The first and the last `video_id` that each row group may hold."""
    leaves = [parquet.schema.column(i).path for i in range(len(parquet.schema))]
    leaf = leaves.index("video_id")
    found = []
    for group in range(parquet.num_row_groups):
        statistics = parquet.metadata.row_group(group).column(leaf).statistics
        known = statistics is not None and statistics.has_min_max
        found.append((statistics.min, statistics.max) if known else ("", "\U0010ffff"))
    return found


def _may_hold(parquet: pq.ParquetFile, group: int, column: str, value: str) -> bool:
    rows = parquet.metadata.row_group(group)
    chunks = [rows.column(i) for i in range(rows.num_columns)]
    statistics = next(chunk for chunk in chunks if chunk.path_in_schema == column).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= value <= statistics.max)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write one table with the settings that all parts share, and flush it to the disk."""
    with part_writer(path, table.schema) as writer:
        writer.write_table(table)


@contextlib.contextmanager
def part_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A writer of row groups with the settings that all parts share.

    Floating-point columns are byte-split before zstd, which halves landmarks.
    """
    split = [
        name
        for name in _leaves(schema)
        if name.rsplit(".", 1)[-1] != "start" and _is_float(schema, name)
    ]
    with (
        path.open("wb") as file,
        pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=[n for n in schema.names if pa.types.is_string(schema.field(n).type)],
            use_byte_stream_split=split,
        ) as writer,
    ):
        yield writer
        writer.close()
        file.flush()
        os.fsync(file.fileno())


def _leaves(schema: pa.Schema) -> list[str]:
    """Column paths as Parquet names them."""
    return [
        f"{field.name}.list.element" if _is_float_list(field.type) else field.name
        for field in schema
    ]


def _is_float(schema: pa.Schema, leaf: str) -> bool:
    kind = schema.field(leaf.split(".")[0]).type
    return pa.types.is_floating(kind) or _is_float_list(kind)


def _is_float_list(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type)
