"""How far a number may be trusted: intervals, paired tests, and how many clips decide.

Clips of one speaker are alike, so speakers and not clips are drawn: each replicate takes as many
speakers as there are, with replacement, each with all its clips (Davison and Hinkley 1997, §3.8;
drawing clips within a speaker once more would count their spread twice). Percentile intervals of
few speakers are too narrow; they are widened as Hesterberg 2015 (arXiv 1411.5279, §5.3) says: a
t quantile in place of the normal one, and n - 1 for n. Below `FEW_SPEAKERS` clips are drawn, and
the interval speaks of these people alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Alternative = Literal["two-sided", "less"]

FEW_SPEAKERS = 5
REPLICATES = 2000
SEED = 20240613
_EXACT = 13
"""Groups up to which all sign patterns are counted instead of drawn."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Which clips are drawn together: `of_clip` (n,) numbers 0 … count - 1."""

    of_clip: NDArray[np.intp]
    count: int
    by_speaker: bool

    @property
    def effective(self) -> float:
        """How many groups of one size weigh as much: `count` where all have one size."""
        sizes = np.bincount(self.of_clip, minlength=self.count).astype(float)
        return float(sizes.sum() ** 2 / (sizes**2).sum()) if self.count else 0.0


def groups(speakers: Sequence[str | None]) -> Groups:
    """One group a speaker; a clip without a speaker is its own. With too few speakers, or with
    one a clip, one group a clip.
    """
    names = [f"clip {i}" if s is None else f"speaker {s}" for i, s in enumerate(speakers)]
    found, of_clip = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    if len(found) < min(FEW_SPEAKERS, len(names)) or len(found) == len(names):
        return Groups(np.arange(len(names)), len(names), by_speaker=len(found) == len(names) > 0)
    return Groups(of_clip, len(found), by_speaker=True)


def draws(group: Groups, replicates: int = REPLICATES, seed: int = SEED) -> F64:
    """How often each clip is in each replicate, (replicates, n), read-only."""
    if group.count == 0:
        return np.empty((replicates, 0))
    return _drawn(group.of_clip.astype(np.int64).tobytes(), group.count, replicates, seed)


@lru_cache(maxsize=1)
def _drawn(of_clip: bytes, count: int, replicates: int, seed: int) -> F64:
    """Kept, because the metrics of a set nearly always have the same clips."""
    generator = np.random.default_rng(seed)
    share = np.full(count, 1 / count)
    times = generator.multinomial(count, share, replicates).astype(float)
    times = times[:, np.frombuffer(of_clip, np.int64)]
    times.flags.writeable = False
    return times


Statistic = Callable[[F64], F64]
"""Replicates of a number (B,) from how often each clip is drawn (B, n)."""


def weighted_mean(values: F64, weights: F64 | None = None) -> Statistic:
    """Mean of `values` (n,), each behind so many items; NaN where no clip with a value is drawn."""
    items = np.ones_like(values) if weights is None else weights

    def statistic(times: F64) -> F64:
        total = times @ items
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(times @ (items * values) / total, dtype=np.float64)

    return statistic


def weighted_median(values: F64) -> Statistic:
    """Median of `values` (n,): the mean of the two middle ones where the count is even."""
    order = np.argsort(values, kind="stable")
    ascending = values[order]

    def statistic(times: F64) -> F64:
        rank = np.cumsum(times[:, order], axis=1)
        count = rank[:, -1:]
        low = (rank >= np.floor((count + 1) / 2)).argmax(axis=1)
        high = (rank >= np.floor(count / 2) + 1).argmax(axis=1)
        middle = (ascending[low] + ascending[high]) / 2
        return np.where(count[:, 0] > 0, middle, np.nan)

    return statistic


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and what lies around it. `low` and `high` are NaN where nothing can be said."""

    estimate: float
    low: float
    high: float
    groups: int
    by_speaker: bool


def interval(
    statistic: Statistic, group: Groups, level: float = 0.95, times: F64 | None = None
) -> Interval:
    """The estimate with its two-sided interval; `times` saves drawing again."""
    count = len(group.of_clip)
    estimate = float(statistic(np.ones((1, count)))[0]) if count else float("nan")
    replicates = statistic(draws(group) if times is None else times)
    low, high = bounds(replicates, group, (1 - level) / 2)
    return Interval(estimate, low, high, group.count, group.by_speaker)


def bounds(replicates: F64, group: Groups, tail: float) -> tuple[float, float]:
    """The bounds that leave `tail` on each side of a bootstrap of the groups; NaN below two.

    Percentiles, widened by `reach`. A handful of groups has no replicates as far out as that: the
    reach times their deviation is the least. Large groups weigh more, so that fewer of one size
    scatter as much (`effective`, after Kish 1965); below two of them one has nearly everything.
    """
    known = replicates[np.isfinite(replicates)]
    if group.count < 2 or len(known) < 2:
        return float("nan"), float("nan")
    off = reach(group, tail)
    share = float(scipy.stats.norm.cdf(-off))
    low, high = np.quantile(known, [share, 1 - share])
    scale = float(np.abs(known).max()) or 1.0  # squares of huge numbers overflow
    middle = scale * float((known / scale).mean())
    least = off * scale * float((known / scale).std())
    return min(float(low), middle - least), max(float(high), middle + least)


def reach(group: Groups, tail: float) -> float:
    """How many deviations of the replicates a bound lies off."""
    count = max(2.0, group.effective)
    return -float(np.sqrt(count / (count - 1)) * scipy.stats.t.ppf(tail, count - 1))


def sign_flip(
    differences: F64,
    group: Groups,
    alternative: Alternative = "two-sided",
    patterns: int = REPLICATES,
    seed: int = SEED,
) -> float:
    """p of paired differences (n,) having mean 0: signs are turned group by group.

    `less`: against the mean being below 0. Exact up to 13 groups, else from random patterns.
    """
    if len(differences) == 0:
        return float("nan")
    sums = np.bincount(group.of_clip, weights=differences, minlength=group.count)
    if group.count <= _EXACT:
        bits = np.arange(2**group.count)[:, None] >> np.arange(group.count)
        signs, extra = 1.0 - 2.0 * (bits & 1), 0
    else:
        generator = np.random.default_rng(seed)
        signs, extra = generator.choice((-1.0, 1.0), (patterns, group.count)), 1
    seen, turned = sums.sum(), signs @ sums
    slack = 1e-12 * np.abs(sums).sum()
    if alternative == "two-sided":
        worse = np.abs(turned) >= abs(seen) - slack
    else:
        worse = turned <= seen + slack
    return float((worse.sum() + extra) / (len(turned) + extra))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values (Holm 1979), in the order given; NaN stays and does not count."""
    p = np.asarray(p_values, dtype=float)
    known = np.flatnonzero(np.isfinite(p))
    adjusted = np.full(len(p), np.nan)
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return [float(value) for value in adjusted]


def clips_needed(
    differences: F64, group: Groups, margin: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """How many clips like these show that a mean of 0 is within `margin`; None: cannot be told.

    ((z_alpha + z_power) sd / margin)^2 groups, each with as many clips as here.
    """
    if group.count < 2 or margin <= 0:
        return None
    sums = np.bincount(group.of_clip, weights=differences, minlength=group.count)
    sizes = np.bincount(group.of_clip, minlength=group.count)
    # Of a ratio of sums: what each group adds beyond its size's share.
    spread = (sums - differences.mean() * sizes) / sizes.mean()
    z = scipy.stats.norm.ppf(1 - alpha) + scipy.stats.norm.ppf(power)
    needed = (z * float(spread.std(ddof=1)) / margin) ** 2
    return max(2, int(np.ceil(max(2.0, needed) * sizes.mean())))
