"""What a filter is: one measure of a clip, held against a bound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Row = Mapping[str, Any]
"""A clip's row of `clips`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A bound that `dawn ingest --config` can change; null turns the filter off."""

    name: str
    default: float | None
    reason: str
    """Why the default is what it is."""
    whole: bool = False
    """Whether it is a whole number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter is declared by a file of `dawn/curation/filters/`, or a plug-in, in `FILTERS`.

    Measures are stored, so another bound needs no video: verdicts are computed again, and
    `what_if(filter, threshold)` answers without even that.
    """

    name: str
    score: Callable[[Row], float | None]
    """The measure; None where it was not taken, and the clip is then not judged by it."""
    rule: Literal["min", "max"]
    """Which side the bound is on."""
    settings: tuple[Setting, ...]
    explanation: str
    """What is wrong with a clip that fails, for people."""
    choose: Callable[[Row], str] | None = None
    """Which setting's bound counts for a clip, where there are several."""

    def setting_for(self, row: Row) -> str:
        """The name of the setting whose bound counts for a clip."""
        return self.choose(row) if self.choose else self.settings[0].name


def column(name: str) -> Callable[[Row], float | None]:
    """The measure that a column of `clips` holds."""

    def score(row: Row) -> float | None:
        value: float | None = row[name]
        return value

    return score
