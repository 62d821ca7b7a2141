"""Whom an average hides: each system's numbers by groups of clips, and the gaps between groups.

A group's number stands only where enough clips of enough speakers are behind it. Gaps are of the
number itself or, where nearness to the real clips counts, of its distance from theirs, with the
sign. All gaps that were looked at are corrected for together (`eval.statistics.gaps`). Distances of
sets depend on how many clips there are, and are not compared between groups.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eval.metrics.catalogue import METRICS, is_set
from eval.metrics.interface import Definition
from eval.results.columns import Grouping
from eval.results.scores import Results, Scores, statistic_of
from eval.statistics.gaps import Gap, Gaps, Side
from eval.statistics.intervals import (
    F64,
    FEW_SPEAKERS,
    REPLICATES,
    Groups,
    bounds,
    draws,
    groups,
)
from manifests.counting import count

FEWEST = 10
"""Clips of a group below which it has no number."""
ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A system's number over the clips of a group; without one, `why`."""

    group: str
    clips: int
    """With a number of this metric."""
    speakers: int
    """Or clips, where these are what is drawn."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    real: float | None = None
    """The real clips' own number over the group, where nearness to it counts."""
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """The gap between two groups: of `more` less of `less`, never negative."""

    more: str
    less: str
    gap: float
    low: float
    high: float
    p: float
    """After all gaps that were looked at."""

    @property
    def shown(self) -> bool:
        """Whether it is more than chance, after the correction."""
        return self.p < ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric of one system by one column."""

    by: str
    definition: Definition
    system: str
    parts: list[Part]
    largest: Between | None
    """The largest gap; None where fewer than two groups have a number."""
    clearest: Between | None
    """The gap with the smallest p, where that is another one and shown."""

    @property
    def shown(self) -> Between | None:
        """A gap that is more than chance: the largest, where that one is."""
        if self.largest is not None and self.largest.shown:
            return self.largest
        return self.clearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroups:
    """All that is said by columns."""

    groupings: list[Grouping]
    rows: list[Row]
    looked_at: int
    """Gaps that the correction is for."""
    fewest: int
    by_speaker: bool

    @property
    def sentences(self) -> list[str]:
        """How to read it."""
        unit = "speakers" if self.by_speaker else "clips, as speakers are few or not known"
        who = f" or {FEW_SPEAKERS} speakers" if self.by_speaker else ""
        said = [
            f"A group of fewer than {count(self.fewest, 'clip')}{who} has no number.",
            "Intervals of groups are 95 % each; those of gaps hold together at 95 % for all "
            f"{count(self.looked_at, 'gap')} that were looked at, between all groups of all "
            "columns, metrics and systems, by the max-statistic bootstrap over " + unit + ".",
            "A gap says that numbers differ, not why: a row of the real clips shows what the "
            "footage alone does. Distances of whole sets (FID, FVD) depend on the number of clips "
            "and are left out.",
        ]
        for one in self.groupings:
            left = [count(one.unknown, "clip") + " without a value"] if one.unknown else []
            left += [count(one.others, "smaller group")] if one.others else []
            more = f"; left out: {', '.join(left)}" if left else ""
            said.append(f"{one.by} is cut {one.how}{more}.")
        return said


def subgroups(
    systems: Mapping[str, Results], groupings: Sequence[Grouping], fewest: int = FEWEST
) -> Subgroups:
    """Of systems on the same clips, by name; bounds such as the real clips may be among them."""
    first = next(iter(systems.values()))
    order = first.clip_ids
    drawn = groups(first.speakers)
    times = draws(drawn)
    gaps = Gaps(REPLICATES)
    waiting: list[tuple[Row, list[tuple[str, str, int]]]] = []
    names = [m.definition.name for m in METRICS if not is_set(m)]
    for found, name in itertools.product(groupings, names):
        for system, results in systems.items():
            scores = results.scores.get(name)
            if scores is None or not scores.valid.any():
                continue
            places = _places(results, order)
            parts, sides = [], {}
            for number, label in enumerate(found.labels):
                inside = np.array(
                    [found.of_clip.get(clip) == number for clip in results.clip_ids], bool
                )
                chosen = np.flatnonzero(inside & scores.valid & (places >= 0))
                part, side = _part(label, scores, chosen, places[chosen], drawn, times, fewest)
                parts.append(part)
                if side is not None:
                    sides[label] = side
            pairs = [
                (a, b, gaps.add(sides[a], sides[b])) for a, b in itertools.combinations(sides, 2)
            ]
            row = Row(
                by=found.by, definition=scores.definition, system=system, parts=parts,
                largest=None, clearest=None,
            )  # fmt: skip
            waiting.append((row, pairs))
    corrected = gaps.done()
    rows = [_with_gaps(row, pairs, corrected) for row, pairs in waiting]
    return Subgroups(
        groupings=list(groupings), rows=rows, looked_at=len(gaps), fewest=fewest,
        by_speaker=drawn.by_speaker,
    )  # fmt: skip


def _places(results: Results, order: Sequence[str]) -> NDArray[np.intp]:
    """Where each clip of some results is among those that are drawn; -1: nowhere."""
    there = {clip: place for place, clip in enumerate(order)}
    return np.array([there.get(clip, -1) for clip in results.clip_ids], dtype=np.intp)


def _part(
    label: str, scores: Scores, chosen: NDArray[np.intp], places: NDArray[np.intp], drawn: Groups,
    times: F64, fewest: int,
) -> tuple[Part, Side | None]:  # fmt: skip
    """A group's number and its replicates. `chosen` are its clips with a number, `places` the
    columns of `times` that they have.
    """
    who, of_clip = np.unique(drawn.of_clip[places], return_inverse=True)
    part = Part(group=label, clips=len(chosen), speakers=len(who))
    if len(chosen) < fewest or len(who) < FEW_SPEAKERS:
        unit = count(len(who), "speaker") if drawn.by_speaker else None
        why = " of ".join(filter(None, [count(len(chosen), "clip"), unit]))
        return replace(part, why=f"too few: {why}"), None
    values, items = scores.values[chosen], scores.items[chosen]
    number = statistic_of(scores.metric, values, items)
    whole, mine = np.ones((1, len(chosen))), times[:, places]
    estimate, replicates = float(number(whole)[0]), number(mine)
    own = Groups(of_clip, len(who), drawn.by_speaker)
    least, most = scores.definition.limits
    low, high = (min(max(bound, least), most) for bound in bounds(replicates, own, ALPHA / 2))
    real = None
    if scores.definition.direction == "closer":
        of_real = statistic_of(scores.metric, scores.references[chosen], items)
        real = float(of_real(whole)[0])
        side = Side(
            estimate=estimate - real, replicates=replicates - of_real(mine), speakers=own.effective
        )
    else:
        side = Side(estimate=estimate, replicates=replicates, speakers=own.effective)
    return replace(part, value=estimate, low=low, high=high, real=real), side


def _with_gaps(row: Row, pairs: Sequence[tuple[str, str, int]], corrected: Sequence[Gap]) -> Row:
    found = [_between(a, b, corrected[place]) for a, b, place in pairs]
    found = [one for one in found if np.isfinite(one.gap)]
    if not found:
        return row
    largest = max(found, key=lambda one: one.gap)
    clearest = min(found, key=lambda one: (one.p, -one.gap))
    other = clearest is not largest and clearest.shown and not largest.shown
    return Row(
        by=row.by, definition=row.definition, system=row.system, parts=row.parts,
        largest=largest, clearest=clearest if other else None,
    )  # fmt: skip


def _between(first: str, second: str, gap: Gap) -> Between:
    if gap.estimate >= 0 or not np.isfinite(gap.estimate):
        return Between(
            more=first, less=second, gap=gap.estimate, low=gap.low, high=gap.high, p=gap.p
        )
    return Between(
        more=second, less=first, gap=-gap.estimate, low=-gap.high, high=-gap.low, p=gap.p
    )
