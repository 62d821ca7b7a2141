"""A column of the clips cut into groups: a text column by its values, a number at quantiles or at
given bounds.
"""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manifests.errors import InputError
from manifests.safe_sql import quoted

MOST = 12
"""Groups of a text column that are told apart, the largest; the rest is counted."""
PARTS = 3
"""Into how many parts of equal size a number is cut where no bounds are given."""
_FEW_INTEGERS = 6
"""Whole numbers of so many different values are names, such as a camera's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """A column that was asked for, as `--by` spells it: NAME, or NAME:BOUND,BOUND."""

    column: str
    bounds: tuple[float, ...] = ()


def parse_by(text: str) -> By:
    """Raises InputError for bounds that are none."""
    column, sign, rest = text.rpartition(":")
    if not sign:
        return By(column=text.strip())
    try:
        bounds = tuple(float(word) for word in rest.split(","))
    except ValueError:
        bounds = ()
    rising = all(a < b for a, b in itertools.pairwise(bounds))
    if not column.strip() or not bounds or not rising or not all(map(math.isfinite, bounds)):
        raise InputError(f"--by {text}: give a column, or bounds that rise, as in yaw:-10,10")
    return By(column=column.strip(), bounds=bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Which group each clip is in."""

    by: str
    labels: tuple[str, ...]
    of_clip: Mapping[str, int]
    """Clip id -> place in `labels`; clips that are in no group are not there."""
    unknown: int
    """Clips without a value."""
    others: int
    """Groups beyond the largest, which are left out."""
    sql: str
    """The label as an expression over `value`, which `source` gives."""
    how: str
    """How it was cut, for people."""
    source: str = "SELECT clip_id, NULL AS value FROM clips"
    """SQL that gives `clip_id` and `value`."""


def grouping(by: By, values: Mapping[str, Any], unit: str = "") -> Grouping:
    """Cut a column, given by clip id. Raises InputError for bounds on what is no number, and for a
    column without any value.
    """
    known = {clip: value for clip, value in values.items() if not _nothing(value)}
    if not known:
        raise InputError(f"--by {by.column}: no clip has a value in this column")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in known.values())
    if by.bounds and not numbers:
        raise InputError(f"--by {by.column}: is no number; leave the bounds out")
    few = len(set(known.values())) <= _FEW_INTEGERS and all(
        float(v).is_integer() for v in known.values() if numbers
    )
    if numbers and (by.bounds or not few):
        return _of_numbers(by, known, len(values) - len(known), unit)
    return _of_names(by, known, len(values) - len(known), numbers=numbers)


def _nothing(value: Any) -> bool:  # noqa: ANN401 - a cell of a table
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return isinstance(value, float) and not math.isfinite(value)


def _of_names(by: By, known: Mapping[str, Any], unknown: int, *, numbers: bool) -> Grouping:
    texts = {clip: _text(value) for clip, value in known.items()}
    sizes = Counter(texts.values())
    labels = sorted(sorted(sizes, key=lambda name: (-sizes[name], name))[:MOST])
    places = {label: place for place, label in enumerate(labels)}
    return Grouping(
        by=by.column,
        labels=tuple(labels),
        of_clip={clip: places[text] for clip, text in texts.items() if text in places},
        unknown=unknown,
        others=len(sizes) - len(labels),
        sql="format('{:g}', value::DOUBLE)" if numbers else "trim(value::VARCHAR)",
        how="by its values",
    )


def _text(value: Any) -> str:  # noqa: ANN401 - a cell of a table
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str) else f"{value:g}"


def _of_numbers(by: By, known: Mapping[str, float], unknown: int, unit: str) -> Grouping:
    edges, how = by.bounds, "at the given bounds"
    if not edges:
        column = np.array(list(known.values()), dtype=float)
        inner = np.unique(np.quantile(column, np.arange(1, PARTS) / PARTS).round(3))
        edges = tuple(inner[(inner >= column.min()) & (inner < column.max())].tolist())
        how = f"into {len(edges) + 1} parts of about equal size"
    labels = [_label(low, high, unit) for low, high in itertools.pairwise([None, *edges, None])]
    cases = "".join(
        f" WHEN value <= {edge!r} THEN {quoted(label)}"
        for edge, label in zip(edges, labels, strict=False)
    )
    return Grouping(
        by=by.column,
        labels=tuple(labels),
        of_clip={clip: int(np.searchsorted(edges, value)) for clip, value in known.items()},
        unknown=unknown,
        others=0,
        sql=f"CASE{cases} WHEN value IS NOT NULL THEN {quoted(labels[-1])} END",
        how=how,
    )


def _label(low: float | None, high: float | None, unit: str) -> str:
    space = "" if unit in ("", "°") else " "
    if low is None and high is None:
        return "all"
    if low is None:
        return f"up to {high:g}{space}{unit}"
    if high is None:
        return f"over {low:g}{space}{unit}"
    return f"{low:g} to {high:g}{space}{unit}"


def sizes(found: Grouping, clips: Sequence[str]) -> list[int]:
    """How many of these clips each group has."""
    count = Counter(found.of_clip[clip] for clip in clips if clip in found.of_clip)
    return [count[place] for place in range(len(found.labels))]
