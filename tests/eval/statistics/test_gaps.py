"""Gaps between groups of clips: planted ones are found, chance is not taken for one."""

import numpy as np
import pytest

from eval.statistics.gaps import Gaps, Side
from eval.statistics.intervals import draws, groups, weighted_mean

REPLICATES = 400


def looked_at(values: np.ndarray, of_group: np.ndarray, speakers: list[str], seed: int) -> list:
    """Gaps of the metrics (m, n) between all groups of each column (c, n)."""
    drawn = groups(speakers)
    times = draws(drawn, REPLICATES, seed)
    gaps = Gaps(REPLICATES)
    for numbers in values:
        for column in of_group:
            sides = []
            for group in np.unique(column):
                inside = column == group
                number = weighted_mean(numbers[inside])
                sides.append(
                    Side(
                        estimate=float(number(np.ones((1, inside.sum())))[0]),
                        replicates=number(times[:, inside]),
                        speakers=len(np.unique(drawn.of_clip[inside])),
                    )
                )
            for place, first in enumerate(sides):
                for second in sides[place + 1 :]:
                    gaps.add(first, second)
    return list(gaps.done())


def footage(random: np.random.Generator, speakers: int, metrics: int) -> tuple:
    """Four clips a speaker, whose level is shared by the metrics; a column of two groups that
    follow speakers, and one of three that do not.
    """
    who = np.repeat(np.arange(speakers), 4)
    level = random.normal(0, 1, speakers)[who]
    values = level + random.normal(0, 1, (metrics, speakers))[:, who]
    values = values + random.normal(0, 0.5, values.shape)
    columns = np.stack([who % 2, random.integers(0, 3, len(who))])
    return values, columns, [f"s{i}" for i in who]


@pytest.mark.parametrize("speakers", [14, 30])
def test_without_a_gap_all_intervals_hold_together(speakers: int) -> None:
    """In 95 of 100 studies none of 20 gaps (5 metrics, 4 pairs of groups) is shown."""
    random = np.random.default_rng(speakers)
    trials, whole, agree = 150, 0, 0
    for trial in range(trials):
        found = looked_at(*footage(random, speakers, 5), trial)
        assert len(found) == 20
        held = all(gap.low <= 0 <= gap.high for gap in found)
        whole += held
        agree += held == all(gap.p >= 0.05 for gap in found)
    assert 0.92 <= whole / trials <= 0.99
    assert agree / trials > 0.97  # p values and intervals tell the same


def test_a_planted_gap_is_found_and_covered() -> None:
    """Also by the interval of the largest gap, which was picked for being that."""
    random = np.random.default_rng(3)
    trials, found, covered = 60, 0, 0
    for trial in range(trials):
        values, columns, speakers = footage(random, 30, 5)
        values[2] += 2.5 * columns[0]
        gaps = looked_at(values, columns, speakers, trial)
        largest = max(gaps, key=lambda gap: abs(gap.estimate))
        found += gaps.index(largest) == 8 and largest.p < 0.05
        covered += largest.low <= -2.5 <= largest.high
    assert found > 0.85 * trials
    assert covered > 0.92 * trials


def test_a_search_costs_and_metrics_that_move_together_cost_less() -> None:
    values, columns, speakers = footage(np.random.default_rng(1), 20, 1)
    alone = looked_at(values, columns[:1], speakers, 0)[0]
    same = looked_at(np.repeat(values, 10, axis=0), columns[:1], speakers, 0)[0]
    other = footage(np.random.default_rng(2), 20, 10)[0]
    many = looked_at(np.vstack([values, other]), columns[:1], speakers, 0)[0]
    assert same.high - same.low == pytest.approx(alone.high - alone.low)
    assert many.high - many.low > 1.2 * (alone.high - alone.low)
    assert many.p >= alone.p


def test_what_cannot_be_told_is_nan_and_what_never_varies_is_no_gap() -> None:
    gaps = Gaps(50)
    constant = Side(estimate=1.0, replicates=np.ones(50), speakers=6)
    undrawn = Side(estimate=1.0, replicates=np.full(50, np.nan), speakers=6)
    gaps.add(constant, constant)
    gaps.add(constant, undrawn)
    same, unknown = gaps.done()
    assert (same.estimate, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert np.isnan(unknown.p)
