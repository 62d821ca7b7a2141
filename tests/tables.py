"""A dataset's content in a form that can be compared."""

from pathlib import Path
from typing import Any

from manifests.catalog import query
from manifests.schema import COLUMNS, MEASURED_ANEW
from manifests.store import Dataset


def contents(root: Path) -> dict[str, Any]:
    """Sorted rows of every view but `timings`, and the media's bytes by path."""
    dataset, found = Dataset(str(root)), {}
    for table, columns in COLUMNS.items():
        names = ", ".join(c.name for c in columns if c.name not in MEASURED_ANEW)
        found[table] = sorted(map(repr, query(dataset, f"SELECT {names} FROM {table}").to_pylist()))
    media = sorted((root / "media").glob("*/*"))
    return found | {"media": {str(p.relative_to(root)): p.read_bytes() for p in media}}
