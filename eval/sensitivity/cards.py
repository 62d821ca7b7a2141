"""What small changes do to each number of a system, and which ranks they turn.

A change's effect is measured on the same clips with and without it, and added to the number of all
clips. Where nearness to the real clips counts, the number is its distance from theirs, with the
sign.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.metrics.catalogue import METRICS, is_set
from eval.metrics.interface import Definition, Direction, SetMetric, TooFewError
from eval.protocol.card import ProtocolCard
from eval.results.scores import Results, Scores, load_results, statistic_of
from eval.sensitivity.changes import CHANGES
from manifests.config import load
from manifests.runs import RunFolder

FOLDER = "sensitivity"
"""Inside a results folder: a folder for each change, and the plan."""
INFO = "sensitivity.json"
PLAN = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """By how much a change moves a number, on `n` clips."""

    change: str
    moved: float
    n: int

    @property
    def title(self) -> str:
        """The change in words."""
        return CHANGES[self.change].title if self.change in CHANGES else self.change


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """How fragile one number is."""

    definition: Definition
    system: str
    value: float
    """Or its distance from the real clips' number, with the sign."""
    width: float | None
    """Of the number's 95 % interval."""
    effects: list[Effect]

    @property
    def spread(self) -> float:
        """From the lowest to the highest number that the changes give, none among them."""
        moved = [effect.moved for effect in self.effects]
        return max(0.0, *moved) - min(0.0, *moved)

    @property
    def most(self) -> Effect:
        """What moves it most."""
        return max(self.effects, key=lambda effect: abs(effect.moved))

    @property
    def of_interval(self) -> float | None:
        """The spread in widths of the interval."""
        return self.spread / self.width if self.width else None

    def cost(self, change: str | None = None) -> float:
        """Less is better; with a change where one is named, NaN where it was not measured."""
        moved = 0.0
        if change is not None:
            found = [effect.moved for effect in self.effects if effect.change == change]
            moved = found[0] if found else float("nan")
        return _cost(self.value + moved, self.definition.direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Two systems that follow each other on a metric, the better one first."""

    first: str
    second: str
    distance: float
    of_distance: float | None
    """The larger spread of the two over their distance; None where they are equal."""
    alike: list[str]
    """Changes, in words, that turn them where both are changed alike."""
    alone: list[str]
    """Those that turn them where only one is changed, and not where both are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragility:
    """One metric over all systems."""

    definition: Definition
    cards: list[Card]
    neighbours: list[Neighbours]

    @property
    def turned(self) -> list[Neighbours]:
        """Those whose order a change turns."""
        return [pair for pair in self.neighbours if pair.alike or pair.alone]


def _cost(value: float, direction: Direction) -> float:
    return abs(value) if direction == "closer" else value if direction == "lower" else -value


def load_changed(results: Results) -> dict[str, Results]:
    """The finished results under each change that lie beside some results."""
    root = f"{results.folder.uri}/{FOLDER}"
    there = RunFolder(root, PLAN).names("")
    found = {}
    for name in CHANGES:
        if name not in there:
            continue
        folder = RunFolder(f"{root}/{name}", INFO)
        if folder.exists and folder.info().get("complete"):
            found[name] = load_results(folder.uri, INFO)
    return found


def cards(
    results: Results,
    changed: Mapping[str, Results],
    widths: Mapping[str, float],
    name: str | None = None,
) -> list[Card]:
    """One a metric that was measured under any change; `widths` are of the numbers' intervals."""
    made = []
    for metric in METRICS:
        definition = metric.definition
        row = results.set_rows.get(definition.name)
        if row is None or row["value"] is None:
            continue
        value = float(row["value"])
        if definition.direction == "closer":
            if row["reference"] is None:
                continue
            value -= float(row["reference"])
        effects = []
        for change, other in changed.items():
            moved, n = (
                _of_set(metric, results, other)
                if is_set(metric)
                else _of_clips(definition.name, results, other)
            )
            if n and np.isfinite(moved):
                effects.append(Effect(change=change, moved=moved, n=n))
        if effects:
            made.append(
                Card(
                    definition=definition, system=name or results.system, value=value,
                    width=widths.get(definition.name), effects=effects,
                )
            )  # fmt: skip
    return made


def _of_clips(name: str, before: Results, after: Results) -> tuple[float, int]:
    """On the clips that have a number on both sides, and how many these are."""
    old, new = before.scores.get(name), after.scores.get(name)
    if old is None or new is None:
        return float("nan"), 0
    there = {clip: place for place, clip in enumerate(before.clip_ids)}
    pairs = np.array(
        [[there[c], i] for i, c in enumerate(after.clip_ids) if c in there], np.intp
    ).reshape(-1, 2)
    pairs = pairs[old.valid[pairs[:, 0]] & new.valid[pairs[:, 1]]]
    if not len(pairs):
        return float("nan"), 0
    return _number(new, pairs[:, 1]) - _number(old, pairs[:, 0]), len(pairs)


def _number(scores: Scores, places: Any) -> float:  # noqa: ANN401 - an array of places
    whole = np.ones((1, len(places)))
    items = scores.items[places]
    value = float(statistic_of(scores.metric, scores.values[places], items)(whole)[0])
    if scores.definition.direction != "closer":
        return value
    return value - float(statistic_of(scores.metric, scores.references[places], items)(whole)[0])


def _of_set(metric: SetMetric, before: Results, after: Results) -> tuple[float, int]:
    card = load(ProtocolCard, before.info["protocol"]["card"], "protocol")
    chosen = set(after.clip_ids) & set(before.clip_ids)
    sides = [one.features(metric, side, chosen) for one in (before, after) for side in _SIDES]
    clips = sorted(set.intersection(*(set(side) for side in sides)))
    old, old_real, new, new_real = ([side[clip] for clip in clips] for side in sides)
    try:
        return metric.distance(new, new_real, card) - metric.distance(old, old_real, card), len(
            clips
        )
    except TooFewError:
        return float("nan"), 0


_SIDES = ("generated", "reference")


def fragility(made: Sequence[Card], ranked: Sequence[str]) -> list[Fragility]:
    """By metric, with the neighbours among the ranked systems."""
    found = []
    for metric in METRICS:
        of_metric = [card for card in made if card.definition.name == metric.definition.name]
        if not of_metric:
            continue
        order = sorted((c for c in of_metric if c.system in ranked), key=lambda c: c.cost())
        pairs = [_neighbours(a, b) for a, b in itertools.pairwise(order)]
        found.append(Fragility(definition=metric.definition, cards=of_metric, neighbours=pairs))
    return found


def _neighbours(first: Card, second: Card) -> Neighbours:
    distance = second.cost() - first.cost()
    alike, alone = [], []
    for name, change in CHANGES.items():
        a, b = first.cost(name), second.cost(name)
        if b < a:
            alike.append(change.title)
        elif second.cost() < a or b < first.cost():
            alone.append(change.title)
    spread = max(first.spread, second.spread)
    return Neighbours(
        first=first.system, second=second.system, distance=distance,
        of_distance=spread / distance if distance > 0 else None, alike=alike, alone=alone,
    )  # fmt: skip


def sentence(definition: Definition, pair: Neighbours) -> str:
    """A turned rank in words."""
    parts = [f"by {', '.join(pair.alike)} on both"] if pair.alike else []
    parts += [f"by {', '.join(pair.alone)} on one of them"] if pair.alone else []
    return f"{definition.title}: {pair.first} before {pair.second} is turned {', and '.join(parts)}"
