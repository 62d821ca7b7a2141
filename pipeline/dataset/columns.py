"""Columns of a dataset's clips by clip id: its own, further ones of lists, and derived ones."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from eval.results.columns import By, Grouping, grouping
from manifests.catalog import query
from manifests.errors import InputError
from manifests.location import is_uri, location
from manifests.safe_sql import quoted
from manifests.schema import CLIPS
from manifests.store import Dataset

DERIVED = {
    "length": ("duration_s", "clips", "s", "how long the clip is"),
    "head_turn": ("yaw_p95", "clips", "°", "how far the head turns: 95th percentile of |yaw|"),
    "yaw": ("avg(pose[1])", "frames", "°", "to which side the head is turned on average"),
    "pitch": ("avg(pose[2])", "frames", "°", "how far it is bowed on average"),
    "noise": (
        "quantile_cont(loudness_db, 0.05) - quantile_cont(loudness_db, 0.95)",
        "audio",
        "dB",
        "the level of pauses under that of loud speech: nearer to 0 is noisier",
    ),
}
"""Name -> expression, table, unit, meaning."""
_UNITS = {column.name: column.unit for column in CLIPS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's values by clip id, and the query that gives them as `value`."""

    values: dict[str, Any]
    sql: str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Where columns come from: a dataset, or a CSV or Parquet file with a `clip_id`."""

    where: str
    dataset: Dataset | None = None
    rows: Sequence[dict[str, Any]] = field(default=(), repr=False)

    @property
    def names(self) -> list[str]:
        """Of all columns, without derived ones."""
        if self.dataset is not None:
            return list(query(self.dataset, "SELECT * FROM clips LIMIT 0").column_names)
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def column(self, name: str) -> Column | None:
        """None where there is none of this name."""
        if self.dataset is None:
            if name not in self.names:
                return None
            values = {str(row["clip_id"]): row.get(name) for row in self.rows}
            file = quoted(Path(self.where).name)
            sql = f"SELECT clip_id, {_name(name)} AS value FROM {file}"  # noqa: S608 - quoted
            return Column(values=values, sql=sql)
        if name in self.names:
            sql = f"SELECT clip_id, {_name(name)} AS value FROM clips"  # noqa: S608 - quoted
            unit = _UNITS.get(name, "")
        elif name in DERIVED:
            expression, table, unit, _ = DERIVED[name]
            sql = f"SELECT clip_id, {expression} AS value FROM {table}"  # noqa: S608 - ours
            sql += " GROUP BY clip_id" if "(" in expression else ""
        else:
            return None
        found = query(self.dataset, sql).to_pylist()
        short = {"degree": "°"}.get(unit, unit)
        return Column(values={r["clip_id"]: _plain(r["value"]) for r in found}, sql=sql, unit=short)

    def grouped(self, by: By, clips: Set[str]) -> Grouping:
        """A column cut into groups of some clips. Raises InputError where there is none."""
        found = self.column(by.column)
        if found is None:
            derived = DERIVED if self.dataset is not None else {}
            known = ", ".join(sorted({*self.names, *derived} - {"clip_id"}))
            raise InputError(f"--by {by.column}: {self.where} has no such column; it has {known}")
        values = {clip: found.values.get(clip) for clip in sorted(clips)}
        return replace(grouping(by, values, found.unit), source=found.sql)


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _plain(value: Any) -> Any:  # noqa: ANN401 - a cell of a table
    """What groups are made of; lists and the like are told apart as text."""
    return value if value is None or isinstance(value, str | int | float) else str(value)


def read_table(where: str) -> Table:
    """A dataset's root, or a CSV or Parquet file. Raises InputError."""
    dataset = Dataset(str(location(where)))
    if dataset.exists:
        return Table(where=where, dataset=dataset)
    if is_uri(where) or not Path(where).is_file():
        raise InputError(f"{where}: is no dataset and no file; give a dataset, or CSV or Parquet")
    rows = _rows(where)
    names = Counter(row["clip_id"] for row in rows)
    twice = next((name for name, times in names.items() if times > 1), None)
    if not rows or twice is not None:
        what = "holds no row" if twice is None else f"names {twice} twice; keep one row a clip"
        raise InputError(f"{where}: {what}")
    return Table(where=where, rows=rows)


def _rows(where: str) -> list[dict[str, Any]]:
    """Clip ids as text, other columns as DuckDB reads them."""
    parquet = where.lower().endswith(".parquet")
    text = "header = true, types = {'clip_id': 'VARCHAR'}"
    types = "auto_type_candidates = ['BIGINT', 'DOUBLE', 'VARCHAR']"  # `no` stays `no`
    read = "read_parquet(?)" if parquet else f"read_csv(?, {text}, {types})"
    try:
        with duckdb.connect() as connection:
            found = connection.sql(f"FROM {read}", params=[where]).to_arrow_table().to_pylist()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{where}: cannot be read ({reason}); give CSV or Parquet with a column clip_id"
        ) from error
    if found and "clip_id" not in found[0]:
        raise InputError(f"{where}: has no column clip_id, which names the clips")
    return [
        {name: str(v) if name == "clip_id" else _plain(v) for name, v in row.items()}
        for row in found
    ]
