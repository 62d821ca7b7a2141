"""The numbers of a table: each with its interval, and which system is best by a paired test.

Ranks are by distance from what is wanted (high, low, or near the real clips' number). A system
ties with the best where the paired test does not show it worse: p >= 0.05 after Holm's correction
over the systems of the metric, or better on the clips that both have. Baselines are shown and never
ranked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.leaderboard.groups import Entry
from eval.metrics.catalogue import METRICS, is_set
from eval.metrics.interface import Features, SetMetric, TooFewError
from eval.protocol.card import ProtocolCard
from eval.results.comparison import Comparison, compare_scores, compare_sets, set_replicates
from eval.results.scores import Results, Scores, statistic_of
from eval.statistics.intervals import bounds, draws, groups, holm, interval
from eval.statistics.set_replicates import REPLICATES, about
from manifests.config import load

ALPHA = 0.05
BY_NAME = {metric.definition.name: metric for metric in METRICS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A metric's number for one row. Numbers that there are none of are None."""

    metric: str
    conditions_hash: str | None
    status: str
    reason: str | None
    value: float | None = None
    reference: float | None = None
    """The real clips' own number, where the metric has one."""
    low: float | None = None
    high: float | None = None
    n: int = 0
    n_total: int = 0
    rank: int | None = None
    best: bool = False
    tied: bool = False
    """Not the best, but not significantly worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A system against the best one on their common clips; `gain` is the best one's, >= 0 where
    it is better, in the metric's unit.
    """

    system: str
    best: str
    gain: float
    low: float
    high: float
    p: float
    """Two-sided, after Holm over the systems of the metric."""
    test: str
    n: int
    wins: int | None
    """Clips on which the best one is the better; None where clips have no numbers of their own."""


def measured(entries: Sequence[Entry]) -> list[str]:
    """Metrics that at least one row was asked for, in the catalogue's order."""
    return [name for name in BY_NAME if any(name in e.results.set_rows for e in entries)]


def cell_of(name: str, results: Results) -> Cell | None:
    """The stored number of the set with its interval; None where it was not asked for."""
    row = results.set_rows.get(name)
    if row is None:
        return None
    cell = Cell(
        metric=name,
        conditions_hash=row["conditions_hash"],
        status=str(row["status"]),
        reason=row["reason"],
        value=row["value"],
        reference=row["reference"],
        n=row["n"],
        n_total=row["n_total"],
    )
    if cell.value is None:
        return cell
    least, most = BY_NAME[name].definition.limits
    low, high = (min(max(bound, least), most) for bound in _interval(name, results))
    return replace(cell, low=_finite(min(low, cell.value)), high=_finite(max(high, cell.value)))


def _interval(name: str, results: Results) -> tuple[float, float]:
    metric = BY_NAME[name]
    if is_set(metric):
        return _interval_of_set(metric, results)
    scores = results.scores[name]
    valid = np.isfinite(scores.values)
    speakers = [s for s, ok in zip(results.speakers, valid, strict=True) if ok]
    found = interval(
        statistic_of(scores.metric, scores.values[valid], scores.items[valid]), groups(speakers)
    )
    return found.low, found.high


def _interval_of_set(metric: SetMetric, results: Results) -> tuple[float, float]:
    sides = _sides(metric, results)
    clips = sorted(sides[0].keys() & sides[1].keys())
    if len(clips) < 2:
        return float("nan"), float("nan")
    speakers = dict(zip(results.clip_ids, results.speakers, strict=True))
    group = groups([speakers[clip] for clip in clips])
    generated, reference = ([side[clip] for clip in clips] for side in sides)
    replicates = set_replicates(metric, generated, reference, draws(group, REPLICATES))
    if replicates is None:
        return float("nan"), float("nan")
    value = float(results.set_rows[metric.definition.name]["value"])
    return bounds(about(value, replicates), group, ALPHA / 2)


def _sides(metric: SetMetric, results: Results) -> tuple[dict[str, Features], dict[str, Features]]:
    clips = set(results.clip_ids)
    return (
        results.features(metric, "generated", clips),
        results.features(metric, "reference", clips),
    )


def ranked(
    name: str, entries: Sequence[Entry], cells: Sequence[Cell | None]
) -> tuple[list[Cell | None], list[Difference]]:
    """The cells with rank, best and ties filled in, and each other system's difference from the
    best one.
    """
    placed = [
        (cost(name, cell), place)
        for place, (entry, cell) in enumerate(zip(entries, cells, strict=True))
        if entry.ranked and cell is not None and cell.value is not None
    ]
    placed = sorted(pair for pair in placed if np.isfinite(pair[0]))
    if len(placed) < 2:
        return list(cells), []
    least, best = placed[0]
    costs = {place: found for found, place in placed}
    others = [place for _, place in placed[1:]]
    compared = {place: compare(name, entries[place], entries[best]) for place in others}
    adjusted = holm([c.p if c is not None else float("nan") for c in compared.values()])
    result, differences = list(cells), []
    for number, ((place, comparison), p) in enumerate(zip(compared.items(), adjusted, strict=True)):
        # Numbers of different clips: the best one may be the worse on the clips that both have.
        worse = comparison is not None and p < ALPHA and comparison.gain > 0
        equal = costs[place] == least
        changes = {"best": equal, "tied": not (equal or worse)}
        result[place] = _marked(cells[place], rank=1 if equal else number + 2, **changes)
        if comparison is not None:
            differences.append(_difference(entries[place], entries[best], comparison, p))
    result[best] = _marked(cells[best], rank=1, best=True)
    return _shared_ranks(result), differences


def _marked(cell: Cell | None, **changes: int | bool) -> Cell:
    if cell is None:
        raise AssertionError("only cells with a number are ranked")
    return replace(cell, **changes)  # type: ignore[arg-type]


def _shared_ranks(cells: Sequence[Cell | None]) -> list[Cell | None]:
    """What ties with the best is first as well."""
    return [replace(c, rank=1) if c is not None and c.tied else c for c in cells]


def cost(name: str, cell: Cell) -> float:
    """The number oriented so that less is better; NaN where it cannot be judged."""
    if cell.value is None:
        return float("nan")
    direction = BY_NAME[name].definition.direction
    if direction == "closer":
        return abs(cell.value - cell.reference) if cell.reference is not None else float("nan")
    return cell.value if direction == "lower" else -cell.value


def compare(name: str, before: Entry, after: Entry) -> Comparison | None:
    """On the common clips of two rows; None where nothing can be said."""
    metric = BY_NAME[name]
    if is_set(metric):
        return _compare_sets(metric, before.results, after.results)
    old, new = (_scores(name, entry.results) for entry in (before, after))
    if old is None or new is None:
        return None
    there = {clip: place for place, clip in enumerate(after.results.clip_ids)}
    pairs = np.array(
        [[i, there[c]] for i, c in enumerate(before.results.clip_ids) if c in there], dtype=np.intp
    ).reshape(-1, 2)
    of_clip = before.results.speakers
    speakers = [of_clip[i] for i in pairs[:, 0]]
    found = compare_scores(old, new, pairs, speakers)
    return found if found.n > 1 else None


def _scores(name: str, results: Results) -> Scores | None:
    return results.scores.get(name)


def _compare_sets(metric: SetMetric, before: Results, after: Results) -> Comparison | None:
    card = load(ProtocolCard, before.info["protocol"]["card"], "protocol")
    old, real = _sides(metric, before)
    new = after.features(metric, "generated", set(after.clip_ids))
    speakers = dict(zip(before.clip_ids, before.speakers, strict=True))
    try:
        return compare_sets(metric, old, new, real, speakers, card)
    except TooFewError:
        return None


def _difference(other: Entry, best: Entry, found: Comparison, p: float) -> Difference:
    low, high = found.bounds(ALPHA / 2)
    wins = None
    if found.per_clip is not None and found.identical is not None:
        wins = int(((found.per_clip > 0) | (found.identical > 0)).sum())
    return Difference(
        system=other.name, best=best.name, gain=found.gain, low=low, high=high, p=p,
        test=found.test, n=found.n, wins=wins,
    )  # fmt: skip


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
