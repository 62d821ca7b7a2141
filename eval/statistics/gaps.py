"""Many differences looked at together: intervals that all hold at once, and p values of a search.

Who looks at twenty metrics by three columns finds a large gap somewhere. The largest of all gaps,
each in its own standard deviations, is therefore bootstrapped as well (the max statistic; Westfall
and Young 1993, §2): an interval reaches as far as the largest stays in 95 % of the replicates, so
that all intervals hold together, the one of the gap that was picked for being the largest among
them. Metrics that move together cost less than by Bonferroni. As in `intervals`, few speakers have
t quantiles in place of normal ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_FEWEST = 0.5
"""Share of the replicates that must have a difference: else a side is hardly ever drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a difference: its replicates (B,), of so many speakers of one size."""

    estimate: float
    replicates: F64
    speakers: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One difference. `low` and `high` hold together with all others; `p` is of no difference,
    after all that were looked at. NaN where nothing can be said.
    """

    estimate: float
    low: float
    high: float
    p: float


@dataclass(slots=True)
class _One:
    estimate: float
    spread: float
    freedom: float


class Gaps:
    """Takes differences one by one, so that memory does not grow with their number.

    All replicates must be of the same drawn speakers in the same order.
    """

    def __init__(self, replicates: int) -> None:
        self._largest = np.zeros(replicates)
        self._found: list[_One | None] = []

    def __len__(self) -> int:
        """How many were looked at."""
        return len(self._found)

    def add(self, first: Side, second: Side) -> int:
        """Look at first - second; returns its place in `done`."""
        self._found.append(self._look(first, second))
        return len(self._found) - 1

    def _look(self, first: Side, second: Side) -> _One | None:
        drawn = first.replicates - second.replicates
        known = np.isfinite(drawn)
        if known.mean() < _FEWEST or min(first.speakers, second.speakers) < 2:
            return None
        estimate = first.estimate - second.estimate
        variances = np.array([np.nanvar(side.replicates) for side in (first, second)])
        counts = np.array([first.speakers, second.speakers])
        spread = float(drawn[known].std())
        freedom, widened = float((counts - 1).min()), 1.0
        if variances.sum() > 0:
            # Welch and Satterthwaite's degrees of freedom, and n - 1 in place of n on each side.
            parts = variances * counts / (counts - 1)
            freedom = float(parts.sum() ** 2 / (parts**2 / (counts - 1)).sum())
            widened = float(np.sqrt(parts.sum() / variances.sum()))
        if spread > 1e-12 * max(1.0, abs(first.estimate), abs(second.estimate)):
            strayed = np.abs(drawn - drawn[known].mean()) / spread
            self._largest = np.fmax(self._largest, strayed)
        else:
            spread = 0.0
        return _One(estimate, spread * widened, freedom)

    def done(self, level: float = 0.95) -> Sequence[Gap]:
        """All differences in the order they were added, corrected for each other."""
        tail = float(2 * scipy.stats.norm.sf(np.quantile(self._largest, level)))
        tail = min(tail, 1 - level)  # never narrower than a single difference's
        return [self._gap(one, tail) for one in self._found]

    def _gap(self, one: _One | None, tail: float) -> Gap:
        nan = float("nan")
        if one is None:
            return Gap(estimate=nan, low=nan, high=nan, p=nan)
        reach = float(scipy.stats.t.isf(tail / 2, one.freedom)) * one.spread
        if one.spread > 0:
            alone = float(scipy.stats.t.sf(abs(one.estimate) / one.spread, one.freedom))
            far = float(scipy.stats.norm.isf(alone))
        else:
            far = 0.0 if abs(one.estimate) < 1e-12 else np.inf
        beyond = int((self._largest >= far).sum())
        p = (beyond + 1) / (len(self._largest) + 1)
        return Gap(estimate=one.estimate, low=one.estimate - reach, high=one.estimate + reach, p=p)
