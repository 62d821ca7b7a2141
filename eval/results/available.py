"""What can be measured here: each metric with what it needs, and whether that is there."""

from dataclasses import dataclass

from eval.metrics.catalogue import is_set, steps_of, weights_of
from eval.metrics.interface import (
    POOLED_DISTANCE,
    ClipMetric,
    Direction,
    Measure,
    SetMetric,
    Status,
)
from eval.metrics.steps import SOUND, SOURCE, installed
from eval.protocol.card import ProtocolCard
from eval.results.conditions import BY_NAME, Conditions, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """One metric, as a machine finds it."""

    name: str
    title: str
    better: Direction
    status: Status
    needs: tuple[str, ...]
    """In words: weights by name, real clips, sound, enough clips."""
    weights: tuple[str, ...]
    here: bool
    """Whether it can be measured on this machine now."""
    note: str | None
    """Why it cannot, or why its numbers are worth less than its status says."""


def available(card: ProtocolCard) -> list[Available]:
    """Every metric in the order of tables, with the weights and libraries of this machine."""
    conditions = Conditions.resolve(card)
    return [_one(metric, conditions.standing(name)) for name, metric in BY_NAME.items()]


def _one(metric: SetMetric | ClipMetric, standing: Standing) -> Available:
    definition = metric.definition
    libraries = {library for step in steps_of(metric).values() for library in step.libraries}
    lacking = sorted(library for library in libraries if installed(library) == "absent")
    note = f"not installed: {', '.join(lacking)}" if lacking else None
    if standing.status == "unavailable" or standing.status != definition.status:
        note = note or standing.reason
    return Available(
        name=definition.name,
        title=definition.title,
        better=definition.direction,
        status=definition.status,
        needs=_needs(metric),
        weights=weights_of(metric),
        here=standing.status != "unavailable" and not lacking,
        note=note,
    )


def _difference(metric: ClipMetric) -> bool:
    """Whether its numbers are themselves differences from the real clips'."""
    return isinstance(metric, Measure) and metric.together is POOLED_DISTANCE


def _needs(metric: SetMetric | ClipMetric) -> tuple[str, ...]:
    steps = steps_of(metric)
    needs = [f"weights {name}" for name in weights_of(metric)]
    if is_set(metric):
        needs.append("two clips or more and as many real ones; better hundreds")
    elif metric.paired:
        needs.append("the real clip of each video")
    elif metric.definition.direction == "closer" or _difference(metric):
        needs.append("real clips to be close to")
    if SOUND.name in steps:
        needs.append("sound")
    if SOURCE.name in steps:
        needs.append("the source picture")
    if isinstance(metric, Measure) and metric.of_run:
        needs.append("a run of `dawn generate`")
    return tuple(needs)
