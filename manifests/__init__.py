"""The tables: schemas, storage and the DuckDB catalogue. Imports nothing else of the project.

`manifests.open(root)` reads a dataset as pandas DataFrames, in notebooks and scripts.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manifests.api import DatasetReader


def open(root: str) -> "DatasetReader":  # noqa: A001 - as `duckdb.open`-like names read best
    """Open a dataset for reading: a folder or a URI such as `s3://bucket/data`.

    Raises InputError when no dataset is there.
    """
    from manifests.api import DatasetReader

    return DatasetReader(root)
