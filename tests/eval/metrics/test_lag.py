"""The lag of curves that were moved on purpose."""

import numpy as np
import pytest

from eval.metrics.lag import lagged_correlation, offset_of, speech_loudness


def curves(frames: int, late: int) -> tuple[np.ndarray, np.ndarray]:
    """A wandering curve, and the same so many frames later under noise."""
    rng = np.random.default_rng(0)
    walk = np.convolve(rng.normal(size=frames + 60), np.hanning(7), mode="same")
    sound = walk[30 - late : 30 - late + frames] + rng.normal(0, 0.1, frames)
    return walk[30 : 30 + frames], sound


@pytest.mark.parametrize("late", [0, 5, -5, 12, -12])
def test_the_offset_is_positive_where_sound_leads(late: int) -> None:
    found = lagged_correlation(*curves(90, late))
    assert len(found) == 31
    assert offset_of(found) == -late
    assert found.max() > 0.95


def test_short_curves_are_moved_less_and_shorter_ones_refused() -> None:
    assert len(lagged_correlation(*curves(29, 0))) == 2 * 4 + 1
    with pytest.raises(ValueError, match="25 of both"):
        lagged_correlation(*curves(24, 0))
    with pytest.raises(ValueError, match="constant"):
        lagged_correlation(np.ones(40), curves(40, 0)[1])


def test_correlation_is_pearson_s() -> None:
    mouth, sound = curves(60, 3)
    from scipy.ndimage import gaussian_filter1d

    a, b = gaussian_filter1d(mouth, 1.0), gaussian_filter1d(sound, 1.0)
    found = lagged_correlation(mouth, sound)
    assert found[15] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found[15 + 7] == pytest.approx(np.corrcoef(a[:-7], b[7:])[0, 1])
    assert found[15 - 7] == pytest.approx(np.corrcoef(a[7:], b[:-7])[0, 1])


def test_what_is_too_quiet_to_be_speech_is_one_level() -> None:
    levels = speech_loudness(np.array([-20.0] * 10 + [-45.0, -70.0, -120.0], np.float32))
    np.testing.assert_allclose(levels[-3:], [-45, -50, -50])
