"""Plans against numbers that can be worked out by hand."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from manifests.errors import InputError
from pipeline.plan.costs import Costs, Item, Job, Stage, Took, read_costs, write_costs
from pipeline.plan.estimate import Interval, Wanted, clock, estimate, grown, with_losses
from pipeline.plan.fit import Node, misfits

NOTHING = Took(0.0, 0.0)


def item(seconds: float, *jobs: tuple[str, float], accepted: float | None = None) -> Item:
    return Item(
        f"{seconds}", seconds, seconds if accepted is None else accepted,
        tuple(Job(step, Took(wall, wall)) for step, wall in jobs), 100, 20, 10, 3,
    )  # fmt: skip


def stage(items: Sequence[Item], **changes: Took) -> Stage:
    given = {"command": NOTHING, "begin": NOTHING, "first": NOTHING, "driver": NOTHING} | changes
    return Stage(tuple(items), **given, peak=10**9, device="cpu")


def test_sums_grow_with_the_footage_and_differ_as_clips_do() -> None:
    same = grown([2.0, 4.0, 6.0], [1.0, 2.0, 3.0], 60.0)
    assert (same.value, same.low, same.high) == (120.0, 120.0, 120.0)
    some = grown([1.0, 3.0], [1.0, 1.0], 8.0)
    # s² = 2; 8 items more: 2 (64 / 2 + 8) = 80; Student's t at 0.95 with one degree: 6.3138.
    assert some.value == 16.0
    assert some.high == pytest.approx(16 + 6.3138 * math.sqrt(80), rel=1e-4)
    assert some.low == 0.0
    assert grown([1.0], [2.0], 10.0) == Interval(5.0)


def test_intervals_hold_what_a_run_takes_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(600):
        sizes = random.uniform(5, 15, 40)
        amounts = sizes * random.normal(3, 0.6, 40)
        told = grown(amounts[:8].tolist(), sizes[:8].tolist(), float(sizes[8:].sum()))
        assert told.low is not None
        assert told.high is not None
        held += told.low <= amounts[8:].sum() <= told.high
    assert 0.86 < held / 600 < 0.96


def test_ratios_of_intervals() -> None:
    ratio = Interval(10.0, 9.0, 11.0).over(Interval(2.0, 1.8, 2.2))
    assert ratio is not None
    assert ratio.high is not None
    assert ratio.value == 5.0
    assert ratio.high == pytest.approx(5 * (1 + math.hypot(0.1, 0.1)))
    assert Interval(1.0).over(Interval(0.0, 0.0, 0.0)) is None
    assert Interval(4.0).over(Interval(2.0, 1.0, 3.0)) == Interval(2.0)


def test_the_clock_follows_the_order_of_jobs() -> None:
    video = item(
        60, ("identify", 1), ("prepare", 2), ("extract", 10), ("extract", 10), ("finish", 3)
    )
    assert clock([video], 1) == 26
    assert clock([video], 2) == 16, "its spans run at once"
    assert clock([video] * 2, 2) == 26
    assert clock([video] * 2, 4) == 16
    assert clock([item(1, ("make", 5))] * 5, 2) == 15, "one waits for the last"
    assert clock([], 3) == 0


def test_losses_cost_what_they_should() -> None:
    """Against the same by chance."""
    assert with_losses(100.0, 5.0, 0.0) == 100.0
    told, random = with_losses(100.0, 5.0, 1 / 200), np.random.default_rng(0)
    took = []
    for _ in range(20_000):
        total = 0.0
        while (lost := random.exponential(200.0)) < 100.0:
            total += lost + 5.0
        took.append(total + 100.0)
    assert told == pytest.approx(np.mean(took), rel=0.02)


def test_a_plan_adds_up() -> None:
    one = item(30, ("identify", 1), ("prepare", 1), ("extract", 7), ("finish", 1), accepted=15)
    costs = stage([one, one], command=Took(8, 6), begin=Took(3, 3), first=Took(2, 2),
                  driver=Took(0.5, 0.5))  # fmt: skip
    plan = estimate(costs, Wanted(seconds=3600, workers=4, price=0.5))
    assert plan.items == 120
    # 120 videos of 10 s over 4 workers, 0.5 s each in the command, and its start.
    assert plan.wall_s.value == pytest.approx(300 + 60 + 8)
    assert plan.core_s.value == pytest.approx(1200 + 60 + 8 + 4 * 2 + 3 * 3)
    assert (plan.read.value, plan.kept.value, plan.requests.value) == (12000, 1200, 360)
    assert plan.accepted_s.value == 1800
    assert plan.bottleneck == "the cores"
    assert plan.dollars is not None
    assert plan.dollars.value == pytest.approx(4 * 0.5 * 368 / 3600)
    assert plan.dollars_an_hour is not None
    assert plan.dollars_an_hour.value == pytest.approx(plan.dollars.value / 0.5)
    assert plan.gpu_s is None


def test_what_limits_a_run_is_named() -> None:
    costs = stage([item(30, ("extract", 10))] * 2, driver=Took(1, 1))
    many = estimate(costs, Wanted(seconds=30 * 512, workers=512))
    assert many.bottleneck.startswith("the command itself")
    few = estimate(stage([item(30, ("extract", 10))] * 2), Wanted(seconds=90, workers=2))
    assert few.wall_s.value == 20
    alone = estimate(
        stage([item(30, ("extract", 10)), item(30, ("extract", 100))]),
        Wanted(seconds=60, workers=8),
    )
    assert alone.bottleneck == "workers that wait for the last job"


def test_preemptions_cost_time_and_money() -> None:
    costs = stage([item(60, ("extract", 600))] * 3, begin=Took(10, 10))
    calm, rough = (
        estimate(costs, Wanted(seconds=36000, workers=8, price=1.0, preemptions=rate))
        for rate in (0.0, 2.0)
    )
    factor = with_losses(600, 12, 2 / 3600) / 600
    assert 1.1 < factor < 1.3
    assert rough.wall_s.value == pytest.approx(calm.wall_s.value * factor)
    assert calm.dollars is not None
    assert rough.dollars is not None
    assert rough.dollars.value == pytest.approx(calm.dollars.value * factor)


def test_what_does_not_fit_is_told() -> None:
    two = [Node("a", 4, 1, 8e9), Node("b", 4, 0, 8e9)]
    assert list(misfits(two, 8, 1, 2 * 10**9)) == []
    assert list(misfits(two, 9, 0, 10**9)) == ["9 workers need 9 CPUs, and there are 8"]
    assert list(misfits(two, 2, 2, 10**9)) == ["2 GPUs are wanted, and there are 1"]
    (memory,) = misfits(two, 8, 0, 3 * 10**9)
    assert memory == "8 workers may hold 3.0 GB each; the memory there is suits 4 of them"


def test_costs_are_kept_as_they_are(tmp_path: Path) -> None:
    costs = Costs("here", "now", "1", {"ingest": stage([item(30, ("identify", 1.25))])})
    write_costs(tmp_path / "costs.json", costs)
    assert read_costs(tmp_path / "costs.json") == costs
    with pytest.raises(InputError, match="there is no such file; make one with `dawn plan"):
        read_costs(tmp_path / "none.json")
    (tmp_path / "costs.json").write_text('{"machine": 1}')
    with pytest.raises(InputError, match="is no file of costs"):
        read_costs(tmp_path / "costs.json")
