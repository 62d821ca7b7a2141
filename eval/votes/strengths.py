"""Strengths of systems from pairwise votes with ties, and what they lie between.

Davidson's model (1970), which is Bradley and Terry's with ties: for strengths s and t, which are
log-odds, A wins : tie : B wins = exp(s) : nu exp((s + t) / 2) : exp(t).

Votes of one rater are alike, and so are votes on one clip. The variance therefore adds that of a
bootstrap over raters to that of one over clips and takes away that of one over single votes, which
both count (two-way clustering: Cameron, Gelbach and Miller 2011); bounds are Student's with one
less degree of freedom than there are raters or clips, whichever are fewer.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Ints = NDArray[np.intp]

REPLICATES = 200
_SEED = 20240913
_PRIOR = 0.02
"""Precision of a normal prior on strengths and on the log of nu: finite where a system never loses,
and no more than a hundredth of one vote's information.
"""
_STEPS, _STRIDE = 30, 2.0
LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballots:
    """Votes as arrays (n,): who voted, on which clip, on which systems, and `outcome`: 1 where `a`
    won, 0 for a tie, -1 where `b` did.
    """

    systems: list[str]
    rater: Ints
    clip: Ints
    a: Ints
    b: Ints
    outcome: Ints

    def __len__(self) -> int:
        return len(self.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """Log-odds that sum to 0, of S systems, with their covariance (S, S)."""

    systems: list[str]
    values: F64
    covariance: F64
    nu: float
    """How common ties are: a tie of equals is nu times as likely as a win of one of them."""
    reach: float
    """How many standard deviations a 95 % interval reaches to each side."""
    replicates: F64
    """(B, S): strengths of drawn raters and clips, for what depends on them."""

    def interval(self, place: int) -> tuple[float, float]:
        """Of one system's strength."""
        off = self.reach * float(np.sqrt(max(0.0, self.covariance[place, place])))
        return float(self.values[place]) - off, float(self.values[place]) + off

    def difference(self, one: int, other: int) -> tuple[float, float, float]:
        """Strength of one less that of another, and its interval."""
        change = np.zeros(len(self.values))
        change[one], change[other] = 1.0, -1.0
        gap = float(self.values @ change)
        off = self.reach * float(np.sqrt(max(0.0, float(change @ self.covariance @ change))))
        return gap, gap - off, gap + off

    def wins(self, one: int, other: int) -> float:
        """Probability that one wins where it does not tie with another."""
        return float(scipy.special.expit(self.values[one] - self.values[other]))


def fit(ballots: Ballots) -> Strengths:
    """Raises ValueError where there are fewer than two systems, or no vote."""
    count = len(ballots.systems)
    if count < 2 or not len(ballots):
        raise ValueError("strengths need votes on at least two systems")
    whole = np.ones((1, len(ballots)))
    estimate = _solve(_counts(ballots, whole), count)[0]
    random = np.random.default_rng(_SEED)
    raters = _drawn(random, ballots.rater)
    clips = _drawn(random, ballots.clip)
    single = _drawn(random, np.arange(len(ballots)))
    by = [_solve(_counts(ballots, times), count)[:, :count] for times in (raters, clips, single)]
    sizes = [len(np.unique(ballots.rater)), len(np.unique(ballots.clip)), len(ballots)]
    covariances = [
        np.cov(found, rowvar=False) * (size / max(1, size - 1))
        for found, size in zip(by, sizes, strict=True)
    ]
    combined = _at_least(covariances[0] + covariances[1] - covariances[2], covariances)
    freedom = max(1, min(sizes[:2]) - 1)
    reach = float(scipy.stats.t.ppf((1 + LEVEL) / 2, freedom))
    values = estimate[:count]
    spread = random.multivariate_normal(values, combined, REPLICATES, method="eigh")
    return Strengths(
        systems=ballots.systems, values=values, covariance=combined,
        nu=float(np.exp(estimate[count])), reach=reach, replicates=spread,
    )  # fmt: skip


def _drawn(random: np.random.Generator, groups: Ints) -> F64:
    """How often each vote is drawn (B, n) when its group is drawn with all its votes."""
    _, places = np.unique(groups, return_inverse=True)
    count = int(places.max()) + 1
    times = random.multinomial(count, np.full(count, 1 / count), REPLICATES)
    return times[:, places].astype(np.float64)


def _at_least(combined: F64, parts: list[F64]) -> F64:
    """Nowhere less than the largest part: the sum can fall below, or below 0, by chance."""
    floor = max(parts, key=lambda part: float(np.trace(part)))
    change = (combined + combined.T) / 2 - floor
    values, vectors = np.linalg.eigh(change)
    return floor + (vectors * np.maximum(values, 0.0)) @ vectors.T


def _counts(ballots: Ballots, times: F64) -> F64:
    """(B, S, S, 2): wins of the first over the second, and half of their ties."""
    count = len(ballots.systems)
    found = np.zeros((len(times), count * count, 2))
    for sign, one, other in ((1, ballots.a, ballots.b), (-1, ballots.b, ballots.a)):
        won = ballots.outcome == sign
        cells = one[won] * count + other[won]
        found[:, :, 0] += times[:, won] @ np.eye(count * count)[cells]
        tied = ballots.outcome == 0
        cells = one[tied] * count + other[tied]
        found[:, :, 1] += 0.5 * times[:, tied] @ np.eye(count * count)[cells]
    return found.reshape(len(times), count, count, 2)


def _solve(counts: F64, count: int) -> F64:
    """(B, S + 1): the strengths and log nu that are most probable, by Newton's method. The
    likelihood is concave in them.
    """
    first, second = np.triu_indices(count, 1)
    pairs = len(first)
    # What each outcome of each pair adds to its logit: (pairs, 3, S + 1).
    design = np.zeros((pairs, 3, count + 1))
    rows = np.arange(pairs)
    design[rows, 0, first], design[rows, 2, second] = 1.0, 1.0
    design[rows, 1, first], design[rows, 1, second], design[rows, 1, count] = 0.5, 0.5, 1.0
    seen = np.stack(
        [
            counts[:, first, second, 0],
            counts[:, first, second, 1] + counts[:, second, first, 1],
            counts[:, second, first, 0],
        ],
        axis=2,
    )
    total = seen.sum(axis=2)
    found = np.zeros((len(counts), count + 1))
    for _ in range(_STEPS):
        logits = np.einsum("pok,bk->bpo", design, found)
        chance = scipy.special.softmax(logits, axis=2)
        slope = np.einsum("bpo,pok->bk", seen - total[..., None] * chance, design) - _PRIOR * found
        mean = np.einsum("bpo,pok->bpk", chance, design)
        bend = np.einsum("bp,bpo,pok,pol->bkl", total, chance, design, design, optimize=True)
        bend -= np.einsum("bp,bpk,bpl->bkl", total, mean, mean)
        bend += _PRIOR * np.eye(count + 1)
        step = np.linalg.solve(bend, slope[..., None])[..., 0]
        found += np.clip(step, -_STRIDE, _STRIDE)
        if float(np.abs(step).max(initial=0.0)) < 1e-9:
            break
    found[:, :count] -= found[:, :count].mean(axis=1, keepdims=True)
    return found


def votes_needed(strengths: Strengths, one: int, other: int, votes: int) -> int | None:
    """How many votes more would tell two systems apart with a power of 80 %, if they differ as much
    as it seems and votes come as they came; 0 where they are told apart, None where more than a
    hundred times as many would be needed.
    """
    gap, low, high = strengths.difference(one, other)
    if low > 0 or high < 0:
        return 0
    deviation = (high - gap) / strengths.reach
    wanted = scipy.stats.norm.ppf((1 + LEVEL) / 2) + scipy.stats.norm.ppf(POWER)
    times = (wanted * deviation / gap) ** 2 if gap else np.inf
    return max(1, int(np.ceil(votes * (times - 1)))) if times < 100 else None
