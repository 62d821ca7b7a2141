"""Datasets with other rows than ingest gave them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.store import Dataset


def edited(dataset: Dataset, root: Path, edit: Callable[[pa.Table], pa.Table]) -> Dataset:
    """A copy of a dataset whose parts of `clips` went through `edit`."""
    shutil.copytree(dataset.path, root)
    for part in (root / "clips").glob("*.parquet"):
        pq.write_table(edit(pq.read_table(part)), part)
    return Dataset(str(root))


def with_text(table: pa.Table, name: str, value: str | None) -> pa.Table:
    """The table with the same text in every row of a column, which may be new."""
    column = pa.array([value] * table.num_rows, pa.string())
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)
