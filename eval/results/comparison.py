"""Two systems on the same clips: how much better is one, and is that more than chance?

Everything is oriented so that a positive difference favours the second system (`after`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from eval.metrics.interface import MEAN, Features, SetMetric, TooFewError
from eval.metrics.set_distances import SetDistance, frechet, kernel
from eval.protocol.card import ProtocolCard
from eval.results.scores import Scores, statistic_of
from eval.statistics.intervals import (
    F64,
    Groups,
    Statistic,
    bounds,
    clips_needed,
    draws,
    groups,
    sign_flip,
    weighted_mean,
)
from eval.statistics.set_replicates import (
    REPLICATES,
    about,
    frechet_replicates,
    kernel_replicates,
    thinned,
)

Test = Literal["sign flip", "bootstrap"]

_RESOLVED = 5
"""Replicates beyond 0 from which on their share is a p value."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How `after` differs from `before` on `n` common clips; positive is better.

    `replicates` are the difference's; `p_worse` is of after being worse, one-sided, `p` of any
    difference. `per_clip` (n,) are paired gains where a clip has its own number. `identical` (n,)
    is 1 where only after's video is the same as the real one and has no number for that, -1 where
    only before's is. Such a clip gains or loses as much as the clip that moved most: its place is
    known, its distance has no bound.
    """

    before: float
    after: float
    gain: float
    replicates: F64
    groups: Groups
    n: int
    p: float
    p_worse: float
    test: Test
    per_clip: F64 | None = None
    identical: NDArray[np.int8] | None = None

    def bounds(self, tail: float) -> tuple[float, float]:
        """What the gain lies between, leaving `tail` on each side."""
        return bounds(self.replicates, self.groups, tail)

    def needed(self, margin: float) -> int | None:
        """How many clips would show that equal systems are within `margin`."""
        if self.per_clip is not None:
            return clips_needed(self.per_clip, self.groups, margin)
        known = self.replicates[np.isfinite(self.replicates)]
        if len(known) < 2 or margin <= 0:
            return None
        z = scipy.stats.norm.ppf(0.95) + scipy.stats.norm.ppf(0.8)
        return max(2, int(np.ceil(self.n * (z * float(known.std(ddof=1)) / margin) ** 2)))


def compare_scores(
    before: Scores, after: Scores, pairs: NDArray[np.intp], speakers: list[str | None]
) -> Comparison:
    """A clip metric of two systems. `pairs` (n, 2) are places of common clips in each, `speakers`
    (n,) theirs. Clips that were not measured on either side are left out.
    """
    valid = before.measured[pairs[:, 0]] & after.measured[pairs[:, 1]]
    pairs = pairs[valid]
    group = groups([s for s, ok in zip(speakers, valid, strict=True) if ok])
    if before.metric.together is MEAN and before.definition.direction != "closer":
        return _clip_by_clip(before, after, pairs, group)
    first, second = _costs(before, pairs[:, 0]), _costs(after, pairs[:, 1])
    times = draws(group)
    whole = np.ones((1, len(pairs)))
    replicates = first(times) - second(times)
    old, new = _number(before, pairs[:, 0]), _number(after, pairs[:, 1])
    gain = float((first(whole) - second(whole))[0]) if len(pairs) else float("nan")
    p, worse = bootstrap_p(replicates, group.effective)
    return Comparison(old, new, gain, replicates, group, len(pairs), p, worse, "bootstrap")


def _clip_by_clip(
    before: Scores, after: Scores, pairs: NDArray[np.intp], group: Groups
) -> Comparison:
    """Of a metric whose number of the set is the clips' mean: the mean of their differences."""
    old, new = pairs[:, 0], pairs[:, 1]
    sign = 1 if before.definition.direction == "higher" else -1
    gains = sign * (after.values[new] - before.values[old])
    identical = after.identical[new].astype(np.int8) - before.identical[old].astype(np.int8)
    known = np.isfinite(gains)
    gains = np.where(known, gains, identical * np.abs(gains[known]).max(initial=0.0))
    return Comparison(
        before=_number(before, old[before.valid[old]]),
        after=_number(after, new[after.valid[new]]),
        gain=float(gains.mean()) if len(gains) else float("nan"),
        replicates=weighted_mean(gains)(draws(group)),
        groups=group,
        n=len(gains),
        p=sign_flip(gains, group),
        p_worse=sign_flip(gains, group, "less"),
        test="sign flip",
        per_clip=gains,
        identical=identical,
    )


def _number(scores: Scores, places: NDArray[np.intp]) -> float:
    """The set's number of some clips; NaN of none."""
    if len(places) == 0:
        return float("nan")
    statistic = statistic_of(scores.metric, scores.values[places], scores.items[places])
    return float(statistic(np.ones((1, len(places))))[0])


def _costs(scores: Scores, places: NDArray[np.intp]) -> Statistic:
    """The set's number oriented so that less is better."""
    values, items = scores.values[places], scores.items[places]
    number = statistic_of(scores.metric, values, items)
    direction = scores.definition.direction
    if direction == "lower":
        return number
    if direction == "higher":
        return lambda times: -number(times)
    real = statistic_of(scores.metric, scores.references[places], items)
    return lambda times: np.abs(number(times) - real(times))


def compare_sets(
    metric: SetMetric,
    before: dict[str, Features],
    after: dict[str, Features],
    reference: dict[str, Features],
    speakers: dict[str, str | None],
    card: ProtocolCard,
) -> Comparison:
    """A set metric of two systems, from their features and the real clips' by clip id.

    Raises TooFewError when fewer than two clips are common.
    """
    clips = sorted(before.keys() & after.keys() & reference.keys())
    group = groups([speakers[clip] for clip in clips])
    sides = [[rows[clip] for clip in clips] for rows in (before, after, reference)]
    old, new = (metric.distance(side, sides[2], card) for side in sides[:2])
    times = draws(group, REPLICATES)
    first = set_replicates(metric, sides[0], sides[2], times)
    second = set_replicates(metric, sides[1], sides[2], times)
    if first is None or second is None:
        raise TooFewError(f"{metric.definition.name}: has no interval")
    replicates = about(old - new, first - second)
    p, worse = bootstrap_p(replicates, group.effective)
    return Comparison(old, new, old - new, replicates, group, len(clips), p, worse, "bootstrap")


def set_replicates(
    metric: SetMetric, generated: list[Features], reference: list[Features], times: F64
) -> F64 | None:
    """Distances (B,) of drawn clips of thinned rows; None for distances without a fast form."""
    if not isinstance(metric, SetDistance) or metric.between not in (frechet, kernel):
        return None
    sides = thinned(generated, len(generated)), thinned(reference, len(reference))
    if metric.between is frechet:
        return frechet_replicates(*sides, times)
    return kernel_replicates(*sides, times)


def bootstrap_p(replicates: F64, count: float) -> tuple[float, float]:
    """p of no difference, and one-sided of a gain below 0: the tail at which an interval of
    `count` equal groups would just reach 0.
    """
    known = replicates[np.isfinite(replicates)]
    if count <= 1 or len(known) < 2:
        return float("nan"), float("nan")
    freedom = max(count, 2.0) - 1
    mean, spread = float(known.mean()), float(known.std(ddof=1))
    shares = []
    for beyond, distance in (((known >= 0).sum(), mean), ((known <= 0).sum(), -mean)):
        if beyond < _RESOLVED and spread > 0:
            z = distance / spread  # beyond what so few replicates resolve: their normal's tail
        else:
            z = float(scipy.stats.norm.ppf((beyond + 1) / (len(known) + 2)))
        shares.append(float(scipy.stats.t.cdf(z / np.sqrt((freedom + 1) / freedom), freedom)))
    return min(1.0, 2 * min(shares)), shares[0]
