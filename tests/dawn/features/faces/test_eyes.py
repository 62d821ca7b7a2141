"""Blinks in hand-made curves of the eye ratio."""

import numpy as np
import pytest

from dawn.features.faces.blinks import find_blinks


def curve(*closures: tuple[int, int], length: int = 150, open_level: float = 0.3) -> np.ndarray:
    """Open eyes with a little noise, shut (and opening over a frame) in each [start, stop)."""
    values = open_level + np.random.default_rng(0).normal(0, 0.005, length)
    for start, stop in closures:
        values[start:stop] = 0.15 * open_level
        values[start - 1] = values[stop] = 0.6 * open_level
    return np.stack([values, values], axis=1).astype(np.float32)


def test_open_eyes_have_no_blink() -> None:
    assert find_blinks(curve()) == []


@pytest.mark.parametrize("open_level", [0.15, 0.3, 0.45])
def test_each_blink_is_found_where_it_is(open_level: float) -> None:
    closures = [(20, 24), (60, 63), (68, 72), (120, 126)]
    found = find_blinks(curve(*closures, open_level=open_level))
    assert len(found) == len(closures)
    for (a, b), (start, stop) in zip(found, closures, strict=True):
        assert abs(a - start) <= 2
        assert abs(b - stop) <= 2


def test_a_long_closure_is_not_a_blink() -> None:
    assert find_blinks(curve((40, 80))) == []


def test_slow_drift_is_not_a_blink() -> None:
    values = np.linspace(0.35, 0.18, 200)
    assert find_blinks(np.stack([values, values], axis=1).astype(np.float32)) == []


def test_flutter_of_shut_eyes_is_not_a_blink() -> None:
    values = curve(length=300)
    values[100:] = 0.05 + 0.02 * np.sin(np.arange(200))[:, None]
    assert find_blinks(values) == []


def test_missing_frames_do_not_hide_or_make_blinks() -> None:
    values = curve((20, 24), (60, 64))
    values[40:44] = np.nan
    values[61] = np.nan
    assert len(find_blinks(values)) == 2
    assert find_blinks(np.full((50, 2), np.nan, np.float32)) == []
    assert find_blinks(np.zeros((0, 2), np.float32)) == []
