"""Columns of a source list that are the user's own: typed values that are kept with the clips.

A value is kept as text beside its DuckDB type, so that lists that disagree on a column's type lose
nothing: the view of the catalog then gives the text.
"""

import datetime
import math
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import pyarrow as pa

from manifests.errors import InputError
from manifests.names import normalised
from manifests.schema import COLUMNS

Extra = tuple[str, str, str]
"""A column's name, DuckDB type and value."""

_TAKEN = {column.name for columns in COLUMNS.values() for column in columns}
_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas adds to a Parquet file."""
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")  # no zeros in front: those are names
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][+-]?[0-9]+)?")

_MISSPELT = 0.8
"""Likeness (`difflib`) from which a name is one of ours with a slip: it would be kept, and what it
says ignored."""


def further_columns(where: str, columns: Sequence[str], ours: Iterable[str]) -> list[str]:
    """The columns of a list that are the user's. Raises InputError for a name that cannot be."""
    ours = set(ours)
    taken = {name.lower(): name for name in _TAKEN | ours}
    seen: set[str] = set()
    for number, name in enumerate(columns, start=1):
        if not name:
            raise InputError(f"{where}: column {number} has no name; give it one, or leave it out")
        if name.lower() in seen:
            raise InputError(f"{where}: has two columns {name!r}; rename one of them")
        seen.add(name.lower())
        if name not in ours and name.lower() in taken:
            raise InputError(
                f"{where}: column {name!r}: the dataset's tables have a column "
                f"`{taken[name.lower()]}` already; rename it"
            )
        meant = get_close_matches(name.lower(), sorted(ours), 1, _MISSPELT)
        if meant and name not in ours:
            raise InputError(
                f"{where}: unknown column {name!r}: if `{meant[0]}` is meant, write it so; else "
                "choose a name that is less alike"
            )
    return [name for name in columns if name not in ours and not _INDEX.fullmatch(name)]


def from_texts(name: str, texts: Sequence[str | None]) -> list[Extra | None]:
    """A column of a CSV list: integers, numbers, true and false, or else text."""
    values = [normalised(text or "") for text in texts]
    filled = [value for value in values if value]
    if all(map(_INTEGER.fullmatch, filled)):
        kind = "BIGINT"
    elif all(map(_is_number, filled)):
        kind = "DOUBLE"
    elif all(value.lower() in ("true", "false") for value in filled):
        kind = "BOOLEAN"
    else:
        kind = "VARCHAR"
    return [(name, kind, value) if value else None for value in values]


def from_arrow(where: str, name: str, column: pa.ChunkedArray) -> list[Extra | None]:
    """A column of a Parquet list, as it is typed there. Raises InputError for nested values,
    bytes and times.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = _kind(column.type)
    if kind is None:
        raise InputError(
            f"{where}: column {name!r} has the type {column.type}; a list's column holds text, "
            "numbers, true and false, dates or timestamps: change it, or leave it out"
        )
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz and "UTC"), safe=False)
    texts = (None if value is None else _text(value) for value in column.to_pylist())
    return [(name, kind, text) if text else None for text in texts]


def _is_number(text: str) -> bool:
    match = _NUMBER.fullmatch(text)
    return match is not None and any(match.group(1, 2)) and math.isfinite(float(text))


def _kind(kind: pa.DataType) -> str | None:
    types = pa.types
    if types.is_null(kind) or types.is_string(kind) or types.is_large_string(kind):
        return "VARCHAR"
    if types.is_boolean(kind):
        return "BOOLEAN"
    if types.is_integer(kind):
        return "UBIGINT" if types.is_uint64(kind) else "BIGINT"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "DOUBLE"
    if types.is_date(kind):
        return "DATE"
    if types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
    return None


def _text(value: object) -> str | None:
    if value != value:  # NaN: what pandas writes for an empty cell
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return normalised(str(value))
