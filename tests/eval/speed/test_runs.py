"""What follows from timed runs, on times of which the truth is known."""

from typing import Any

import numpy as np
import pytest

from eval.speed.runs import fitted, front, timed
from manifests.errors import InputError
from tests.speed_folders import INFO, speed_rows


def test_start_up_and_steady_state_are_told_apart_with_honest_intervals() -> None:
    covered = {"fixed": 0, "work": 0}
    for seed in range(200):
        fit, _ = fitted(speed_rows(3.0, 0.8, spread=0.1, repeats=4, seed=seed))
        assert fit is not None
        covered["fixed"] += fit.fixed_low <= 3.0 <= fit.fixed_high
        covered["work"] += fit.low <= 0.8 <= fit.high
    assert all(0.9 <= hits / 200 <= 0.99 for hits in covered.values()), covered


def test_numbers_are_the_line_s() -> None:
    fit, _ = fitted(speed_rows(3.0, 0.5))
    assert fit is not None
    assert (fit.fixed_s, fit.per_second) == (pytest.approx(3.0), pytest.approx(0.5))
    assert fit.frames_per_second == pytest.approx(50)
    assert fit.miss == pytest.approx(0, abs=1e-9)
    assert fit.cost(60, 3600) == pytest.approx(33)


def test_a_curve_is_no_line() -> None:
    rows = speed_rows(1.0, 0.0, lengths=(2, 4, 8))
    for row in rows:
        row["wall_s"] = 0.1 * row["video_s"] ** 2
    fit, _ = fitted(rows)
    assert fit is not None
    assert fit.miss > 0.1


def test_noise_tells_nothing_of_other_lengths() -> None:
    fit, _ = fitted(speed_rows(3.0, 0.0, spread=0.2, lengths=(1, 2), seed=3))
    assert fit is not None
    assert not fit.told
    assert fit.cost(60, 1) is None
    assert fit.frames_per_second is None


@pytest.mark.parametrize("more", [{"lengths": (2,)}, {"repeats": 1}])
def test_what_cannot_be_fitted_says_why(more: dict[str, Any]) -> None:
    fit, why = fitted(speed_rows(1.0, 1.0, **more))
    assert fit is None
    assert why


def test_failures_and_warm_ups_count_nowhere_and_are_told() -> None:
    rows = speed_rows(1.0, 1.0)
    failed = rows[0] | {"status": "failed", "wall_s": 99.0, "reason": "no_video", "detail": "gone"}
    found = timed("x", INFO, [*rows, rows[0] | {"number": 0, "wall_s": 99.0}, failed])
    assert found.lengths[0].worst_s < 99
    assert (found.failed, found.warm_ups, found.reasons) == (1, 1, ["no_video: gone"])
    with pytest.raises(InputError, match=r"no run succeeded \(gone"):
        timed("x", INFO, [failed])


def test_p95_takes_twenty_runs() -> None:
    few = timed("x", INFO, speed_rows(1.0, 1.0, repeats=19)).lengths[0]
    many = timed("x", INFO, speed_rows(1.0, 1.0, repeats=20, spread=0.1)).lengths[0]
    assert few.p95_s is None
    assert many.p95_s is not None
    assert many.median_s < many.p95_s <= many.worst_s


def test_front_of_points() -> None:
    points = [(1.0, 5.0), (2.0, 2.0), (3.0, 3.0), (5.0, 1.0), (2.0, 2.0), (5.0, 2.0)]
    assert front(points) == [True, True, False, True, True, False]
    random = np.random.default_rng(0).random((30, 2)).tolist()
    on = front([(a, b) for a, b in random])
    for (x, y), here in zip(random, on, strict=True):
        assert here != any(a < x and b < y for a, b in random)
