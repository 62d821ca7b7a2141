"""A dataset's content in a form that can be compared."""

from pathlib import Path
from typing import Any

from manifests.catalog import connect
from manifests.schema import COLUMNS, MEASURED_ANEW
from manifests.store import Dataset


def contents(root: Path) -> dict[str, Any]:
    """Sorted rows of every view but `timings`, and the media's bytes by path."""
    connection, found = connect(Dataset(str(root))), {}
    for table, columns in COLUMNS.items():
        names = ", ".join(c.name for c in columns if c.name not in MEASURED_ANEW)
        table_rows = connection.sql(f"SELECT {names} FROM {table}").to_arrow_table().to_pylist()
        found[table] = sorted(map(repr, table_rows))
    media = sorted((root / "media").glob("*/*"))
    return found | {"media": {str(p.relative_to(root)): p.read_bytes() for p in media}}
