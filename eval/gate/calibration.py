"""How much a number moves when nothing but the seed changes: what margins are made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.results.comparable import differences, other_conditions
from eval.results.scores import Results
from manifests.errors import InputError

LEAST = 3
"""Results of one checkpoint that a spread is taken from."""
FACTOR = 2.0
"""Margin over the spread from seed to seed."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A metric's number over several seeds of one checkpoint, and the margin that follows."""

    name: str
    mean: float
    spread: float
    margin: float
    relative: float
    """The margin as a share of the mean."""


def calibrate(runs: Sequence[Results]) -> list[Calibrated]:
    """Margins of all metrics that every run has under the same conditions: twice the standard
    deviation of the set's number between seeds. Raises InputError for fewer than three runs, or
    runs that cannot be compared.
    """
    if len(runs) < LEAST:
        raise InputError(f"{len(runs)} results: give at least {LEAST} of one checkpoint")
    common = set.intersection(*(set(run.set_rows) for run in runs))
    for other in runs[1:]:
        reasons = differences(runs[0], other)
        if reasons:
            raise InputError(f"{other.folder.uri}: {reasons[0]}")
        common -= other_conditions(runs[0], other).keys()
    found = []
    for name in sorted(common):
        values = [run.set_rows[name]["value"] for run in runs]
        if any(value is None for value in values):
            continue
        mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
        margin = FACTOR * spread
        share = margin / abs(mean) if mean else float("nan")
        found.append(Calibrated(name, mean, spread, margin, share))
    return found
