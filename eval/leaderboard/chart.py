"""What the chart of the main measures shows: rows in order, and what bounds them."""

import math
from typing import NamedTuple

from eval.leaderboard.board import Column, Sheet
from eval.leaderboard.cells import cost
from eval.leaderboard.groups import Kind


class Band(NamedTuple):
    """A bound's number and interval."""

    kind: Kind
    value: float
    low: float
    high: float


def column_of(sheet: Sheet, name: str) -> Column:
    """The column of a measure."""
    return next(column for column in sheet.columns if column.definition.name == name)


def by_rank(sheet: Sheet, column: Column) -> list[int]:
    """Rows of systems with a number, the best first."""
    order = [
        (cost(column.definition.name, cell), place)
        for place, cell in enumerate(column.cells)
        if cell is not None and cell.value is not None and sheet.entries[place].ranked
    ]
    return [place for _, place in sorted(order, key=lambda pair: (math.isnan(pair[0]), pair))]


def bands(sheet: Sheet, column: Column) -> list[Band]:
    """Each bound's interval, or its number alone."""
    found = []
    for place, cell in enumerate(column.cells):
        kind = sheet.entries[place].kind
        if kind == "system" or cell is None or cell.value is None:
            continue
        low, high = (cell.value if bound is None else bound for bound in (cell.low, cell.high))
        found.append(Band(kind, cell.value, low, high))
    return found
