"""What a reader is told first: who is best at what, by how much, and how sure that is.

Systems are ordered by their mean rank over the main measures, in which all that are not shown to be
worse than the best share the first place. Against a bound (a still picture, the sound of another
clip) a system is better or worse on a measure where the paired test says so: p < 0.05 after Holm's
correction over the measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from eval.leaderboard.cells import ALPHA, Cell, Difference, compare
from eval.leaderboard.groups import Entry, Kind
from eval.metrics.interface import Definition, Family
from eval.report.numbers import number, plus
from eval.statistics.intervals import holm
from manifests.counting import count

LOW_BOUNDS: dict[Kind, str] = {
    "static": "a still picture",
    "shuffled-audio": "the sound of another clip",
    "copy-motion": "the motion of another clip",
}
"""What a system has to beat, in words; which of them is said first."""
_NAMED = 3
"""Measures that a sentence names; more are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """A system over all main measures."""

    system: str
    mean_rank: float
    best: list[str]
    """Titles of measures on which it alone is best: the paired tests show every other one worse."""
    shared: int
    """Measures on which it is best or not shown to be worse."""
    ahead: int
    """Measures on which its number is the best, whatever the tests say."""
    of: int
    """Measures on which it has a rank."""
    place: int = 0
    """Over all; equal mean ranks share a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A system against a bound: titles of measures."""

    system: str
    kind: Kind
    bound: str
    better: list[str]
    worse: list[str]
    undecided: list[str]
    leads: "list[Lead]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A measure in a sentence: a system and its distance from the next one or from a bound."""

    metric: str
    text: str
    clear: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The first screen of a table."""

    measures: list[str]
    """Names of the main measures."""
    placings: list[Placing]
    against: list[Against]
    leads: list[Lead]
    sentences: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measure as the summary needs it."""

    definition: Definition
    cells: Sequence[Cell | None]
    differences: Sequence[Difference]


def main_measures(measures: Sequence[Measured]) -> list[Measured]:
    """Those of the headline that say something of quality; all such where the headline has few."""
    told = [m for m in measures if any(c is not None and c.value is not None for c in m.cells)]
    quality = [m for m in told if m.definition.family != "Speed and coverage"]
    headline = [m for m in quality if m.definition.headline]
    families = list(get_args(Family))
    return sorted(
        headline if len(headline) >= 3 else quality,
        key=lambda m: families.index(m.definition.family),
    )


def summarise(entries: Sequence[Entry], measures: Sequence[Measured], sure: str) -> Summary:
    """Of one table; `sure` is the sentence that says what the numbers rest on."""
    chosen = main_measures(measures)
    placings = _placings(entries, chosen)
    against = [
        found for entry in entries if entry.ranked for found in _against(entry, entries, chosen)
    ]
    order = {placing.system: place for place, placing in enumerate(placings)}
    against.sort(key=lambda found: (list(LOW_BOUNDS).index(found.kind), order.get(found.system, 0)))
    leads = [lead for measure in chosen if (lead := _lead(entries, measure)) is not None]
    leads += against[0].leads if against else []
    sentences = [*_of_systems(placings, chosen), *_of_bounds(against), sure]
    return Summary(
        measures=[m.definition.name for m in chosen],
        placings=placings,
        against=against,
        leads=leads,
        sentences=sentences,
    )


def _placings(entries: Sequence[Entry], measures: Sequence[Measured]) -> list[Placing]:
    systems = [place for place, entry in enumerate(entries) if entry.ranked]
    found = []
    for place in systems:
        ranks, best, shared, ahead = [], [], 0, 0
        for measure in measures:
            cell = measure.cells[place]
            if cell is None or cell.rank is None:
                continue
            ranks.append(cell.rank)
            firsts = [s for s in systems if (c := measure.cells[s]) is not None and c.rank == 1]
            shared += place in firsts
            ahead += cell.best
            if firsts == [place] and cell.best:
                best.append(measure.definition.title)
        mean = float(np.mean(ranks)) if ranks else float("inf")
        found.append(
            Placing(
                system=entries[place].name, mean_rank=mean, best=best, shared=shared, ahead=ahead,
                of=len(ranks),
            )
        )  # fmt: skip
    found.sort(key=lambda placing: (placing.mean_rank, -placing.ahead))
    means = [placing.mean_rank for placing in found]
    return [replace(placing, place=1 + means.index(placing.mean_rank)) for placing in found]


def _against(entry: Entry, entries: Sequence[Entry], measures: Sequence[Measured]) -> list[Against]:
    """On the measures of which both have numbers."""
    place, found = entries.index(entry), []
    for at, bound in enumerate(entries):
        if bound.kind not in LOW_BOUNDS:
            continue
        both = [m for m in measures if _has(m.cells[place]) and _has(m.cells[at])]
        compared = [compare(m.definition.name, bound, entry) for m in both]
        adjusted = holm([c.p if c is not None else float("nan") for c in compared])
        sorted_out: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
        leads = []
        for measure, comparison, p in zip(both, compared, adjusted, strict=True):
            decided = comparison is not None and p < ALPHA and comparison.gain != 0
            better = decided and comparison is not None and comparison.gain > 0
            outcome = "better" if better else "worse" if decided else "undecided"
            sorted_out[outcome].append(measure.definition.title)
            if comparison is not None:
                far = _far(measure.definition, comparison.gain, *comparison.bounds(ALPHA / 2))
                leads.append(
                    Lead(
                        metric=measure.definition.name,
                        text=f"{entry.name} against {LOW_BOUNDS[bound.kind]}: {far}, {outcome}",
                        clear=decided,
                    )
                )
        if both:
            found.append(
                Against(
                    system=entry.name,
                    kind=bound.kind,
                    bound=LOW_BOUNDS[bound.kind],
                    leads=leads,
                    **sorted_out,
                )
            )
    return found


def _has(cell: Cell | None) -> bool:
    return cell is not None and cell.value is not None


def _lead(entries: Sequence[Entry], measure: Measured) -> Lead | None:
    """The best against the next one, in the measure's unit."""
    places = {
        entries[place].name: cell
        for place, cell in enumerate(measure.cells)
        if cell is not None and cell.rank is not None and entries[place].ranked
    }
    if len(places) < 2 or not measure.differences:
        return None
    best = measure.differences[0].best
    if sum(cell.best for cell in places.values()) > 1:
        alike = [name for name, cell in places.items() if cell.best]
        return Lead(metric=measure.definition.name, text=f"{_list(alike)} are equal", clear=False)
    nearest = min(
        measure.differences, key=lambda found: (places[found.system].rank or 0, found.gain)
    )
    far = _far(measure.definition, nearest.gain, nearest.low, nearest.high)
    if places[nearest.system].tied:
        return Lead(
            metric=measure.definition.name,
            text=f"{best} and {nearest.system} cannot be told apart: {far}",
            clear=False,
        )
    return Lead(
        metric=measure.definition.name, text=f"{best} leads {nearest.system} by {far}", clear=True
    )


def _far(definition: Definition, gain: float, low: float, high: float) -> str:
    unit = definition.unit
    short = "/s" if unit == "1/s" else f" {unit}" if 0 < len(unit) <= len("degree/s³") else ""
    return f"{plus(gain)}{short} [{number(low, 3)}, {number(high, 3)}]"


def _of_systems(placings: Sequence[Placing], measures: Sequence[Measured]) -> list[str]:
    """Who is best, and at what."""
    if len(placings) < 2 or not measures or placings[0].of == 0:
        return []
    first = placings[0]
    equal = [p.system for p in placings if p.mean_rank == first.mean_rank]
    many = count(len(measures), "main measure")
    if len(equal) > 1:
        said = [f"No system is shown to lead: {_list(equal)} share the first place over {many}."]
        if first.ahead > max(p.ahead for p in placings[1:]):
            said.append(f"By its numbers alone {first.system} is ahead on {first.ahead}.")
    else:
        where = f"best or not shown worse than the best on {first.shared} of {many}"
        alone = f", alone on {_titles(first.best)}" if first.best else ""
        said = [f"{first.system} leads: {where}{alone}."]
    others = [p for p in placings if p.best and (len(equal) > 1 or p is not first)]
    said += [f"{p.system} is best at {_titles(p.best)}." for p in others[:_NAMED]]
    return said


def _of_bounds(against: Sequence[Against]) -> list[str]:
    """What the leading systems do not beat, of the first bound that was measured."""
    if not against:
        return []
    kind = against[0].kind
    alike: dict[str, list[str]] = {}
    for found in [one for one in against if one.kind == kind][:_NAMED]:
        total = len(found.better) + len(found.worse) + len(found.undecided)
        many = f"{len(found.better) or 'none'} of {count(total, 'measure')}"
        some = 0 < len(found.better) < total
        where = f"{_titles(found.better)} ({many})" if some else many
        text = f"shown to beat {found.bound} on {where}"
        if found.worse:
            text += f" and worse on {_titles(found.worse)}"
        elif found.undecided and found.better:
            text += f", not on {_titles(found.undecided)}"
        alike.setdefault(text, []).append(found.system)
    return [
        f"{_list(systems)} {'is' if len(systems) == 1 else 'are'} {text}."
        for text, systems in alike.items()
    ]


def _titles(titles: Sequence[str]) -> str:
    if len(titles) <= _NAMED:
        return _list(titles)
    return f"{', '.join(titles[:_NAMED])} and {len(titles) - _NAMED} more"


def _list(names: Sequence[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), *names[-1:]])
