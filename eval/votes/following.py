"""Which metric follows people: how often it names the winner of a vote, and whether it puts the
systems in the people's order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from eval.metrics.interface import Direction
from eval.results.scores import Results, Scores
from eval.votes.strengths import F64, Strengths

FEWEST = 10
"""Decided votes below which nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """One metric on some of the clips."""

    metric: str
    title: str
    subgroup: str
    accuracy: float
    """Share of decided votes whose winner has the better number; equal numbers count half."""
    low: float
    high: float
    votes: int
    correlation: float | None
    """Spearman's, of the systems' numbers and their strengths; None of fewer than three systems,
    and of subgroups.
    """
    correlation_low: float | None
    correlation_high: float | None


def following(
    rows: Sequence[Mapping[str, Any]], of: Mapping[str, Results], strengths: Strengths
) -> list[Following]:
    """A row a clip metric and subgroup of clips, the most accurate first; `of` are the results of
    each system. Intervals of accuracies
    draw raters and clips, those of correlations strengths.
    """
    decided = [row for row in rows if row["winner"] != "tie" and row["a"] in of and row["b"] in of]
    groups = _subgroups(of)
    names = list(dict.fromkeys(name for results in of.values() for name in results.scores))
    found = []
    for name in names:
        hits = _hits(name, decided, of)
        for subgroup, clips in groups.items():
            chosen = [
                (row, hit)
                for row, hit in zip(decided, hits, strict=True)
                if hit is not None and (clips is None or row["clip_id"] in clips)
            ]
            if len(chosen) < FEWEST:
                continue
            accuracy, low, high = _accuracy(chosen)
            whole = clips is None
            definition = next(
                results.scores[name].definition for results in of.values() if name in results.scores
            )
            correlation = (
                _correlation(name, definition.direction, of, strengths)
                if whole
                else (None, None, None)
            )
            found.append(
                Following(
                    metric=name, title=definition.title, subgroup=subgroup, accuracy=accuracy,
                    low=low, high=high, votes=len(chosen), correlation=correlation[0],
                    correlation_low=correlation[1], correlation_high=correlation[2],
                )
            )  # fmt: skip
    best = {row.metric: row.accuracy for row in found if row.subgroup == "all"}
    return sorted(found, key=lambda row: (-best.get(row.metric, 0.0), row.metric))


def _subgroups(of: Mapping[str, Results]) -> dict[str, set[str] | None]:
    """All clips; halves by length and by head turn where these are known of enough clips."""
    groups: dict[str, set[str] | None] = {"all": None}
    clips = next(iter(of.values())).clips if of else []
    for column, below, above in (
        ("duration_s", "shorter half", "longer half"),
        ("yaw_p95", "head straighter", "head turned more"),
    ):
        known = {str(c["clip_id"]): c[column] for c in clips if c.get(column) is not None}
        if len(known) < 4:
            continue
        middle = float(np.median(list(known.values())))
        low = {clip for clip, value in known.items() if value <= middle}
        if low and len(low) < len(known):
            groups |= {below: low, above: known.keys() - low}
    return groups


def _hits(
    name: str, rows: Sequence[Mapping[str, Any]], of: Mapping[str, Results]
) -> list[float | None]:
    """Of each vote 1 where the winner has the better number, 0.5 where both are equal."""
    costs = {
        system: dict(zip(results.clip_ids, _costs(scores), strict=True))
        for system, results in of.items()
        if (scores := results.scores.get(name)) is not None
    }
    hits: list[float | None] = []
    for row in rows:
        pair = [costs.get(row[side], {}).get(row["clip_id"], np.nan) for side in ("a", "b")]
        if not np.isfinite(pair).all():
            hits.append(None)
            continue
        better = "a" if pair[0] < pair[1] else "b"
        hits.append(0.5 if pair[0] == pair[1] else float(better == row["winner"]))
    return hits


def _costs(scores: Scores) -> F64:
    """Less is better; NaN where a clip has no number."""
    direction = scores.definition.direction
    values = np.where(scores.valid, scores.values, np.nan)
    if direction == "closer":
        return np.abs(values - scores.references)
    return values if direction == "lower" else -values


def _accuracy(chosen: Sequence[tuple[Mapping[str, Any], float]]) -> tuple[float, float, float]:
    """The share with its 95 % interval: variance by raters and by clips less that by votes."""
    hits = np.array([hit for _, hit in chosen])
    mean = float(hits.mean())
    parts, sizes = [], []
    for key in ("rater", "clip_id"):
        _, places = np.unique([row[key] for row, _ in chosen], return_inverse=True)
        sums = np.bincount(places, hits - mean)
        sizes.append(len(sums))
        parts.append(float((sums**2).sum()) * len(sums) / max(1, len(sums) - 1))
    single = float(((hits - mean) ** 2).sum())
    variance = max(sum(parts) - single, *parts, single) / len(hits) ** 2
    off = float(scipy.stats.t.ppf(0.975, max(1, min(sizes) - 1)) * np.sqrt(variance))
    return mean, max(0.0, mean - off), min(1.0, mean + off)


def _correlation(
    name: str, direction: Direction, of: Mapping[str, Results], strengths: Strengths
) -> tuple[float | None, float | None, float | None]:
    numbers = []
    for place, system in enumerate(strengths.systems):
        row = of[system].set_rows.get(name) if system in of else None
        if row is None or row["value"] is None:
            continue
        numbers.append((place, _goodness(direction, row["value"], row["reference"])))
    numbers = [pair for pair in numbers if np.isfinite(pair[1])]
    if len(numbers) < 3 or len({value for _, value in numbers}) < 2:
        return None, None, None
    places = [place for place, _ in numbers]
    ranks = scipy.stats.rankdata([value for _, value in numbers])

    def rho(values: F64) -> float:
        return float(np.corrcoef(ranks, scipy.stats.rankdata(values))[0, 1])

    drawn = [rho(row[places]) for row in strengths.replicates]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return rho(strengths.values[places]), float(low), float(high)


def _goodness(direction: Direction, value: float, reference: float | None) -> float:
    """A set's number oriented so that more is better."""
    if direction == "closer":
        return -abs(value - reference) if reference is not None else float("nan")
    return value if direction == "higher" else -value
