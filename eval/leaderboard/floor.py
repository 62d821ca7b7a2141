"""How far apart two sets of real clips are: what a set metric cannot fall below at so few clips.

Distances between sets shrink as the sets grow, so that a system's number and the floor must have
the same number of clips: half of the clips are held against the real ones of the other half.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from eval.leaderboard.groups import Group
from eval.metrics.interface import Features, TooFewError
from eval.metrics.set_distances import SetDistance
from eval.protocol.card import ProtocolCard
from eval.results.scores import Results, apart
from manifests.config import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Numbers of `n` clips against `n` other real ones."""

    n: int
    real: float
    values: list[float | None]
    """One a row of the group; None where it cannot be had."""


def floor(metric: SetDistance, group: Group) -> Floor | None:
    """From stored features; None where there are too few clips, or nobody measured it."""
    source = _source(metric, group)
    card = load(ProtocolCard, source.info["protocol"]["card"], "protocol")
    reference = source.features(metric, "reference", set(source.clip_ids))
    first, second = halves(list(reference))
    other = [reference[clip] for clip in second]
    try:
        real = metric.distance([reference[clip] for clip in first], other, card)
    except TooFewError:
        return None
    values = [
        None if apart(metric.definition.name, entry.results)
        else _of(metric, entry.results, first, other, card)
        for entry in group.entries
    ]  # fmt: skip
    return Floor(n=len(first), real=real, values=values)


def _source(metric: SetDistance, group: Group) -> Results:
    """The row that has the features of the most clips; not one of halves, paired otherwise."""
    rows = [e.results for e in group.entries if e.kind != "real-split"] or [group.main.results]
    name = metric.definition.name
    return max(rows, key=lambda row: row.set_rows[name]["n"] if name in row.set_rows else 0)


def halves(clips: Sequence[str]) -> tuple[list[str], list[str]]:
    """Two halves of as many clips, by the hash of their names; an odd one is left out."""
    mixed = sorted(clips, key=lambda clip: hashlib.sha256(clip.encode()).hexdigest())
    even = len(mixed) // 2 * 2
    return sorted(mixed[:even:2]), sorted(mixed[1:even:2])


def _of(
    metric: SetDistance,
    results: Results,
    clips: Sequence[str],
    reference: Sequence[Features],
    card: ProtocolCard,
) -> float | None:
    generated = results.features(metric, "generated", set(clips))
    if generated.keys() != set(clips):
        return None
    try:
        return metric.distance([generated[clip] for clip in clips], list(reference), card)
    except TooFewError:
        return None
