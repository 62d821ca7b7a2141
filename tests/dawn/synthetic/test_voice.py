"""The voice: speech-like where it matters, and repeatable."""

import numpy as np
import pytest
from scipy.signal import find_peaks

from dawn.synthetic.voice import RATE, mouth_curve, speak


def test_a_voice_is_its_seeds():
    assert np.array_equal(speak(2.0, 3), speak(2.0, 3))
    assert not np.array_equal(speak(2.0, 3), speak(2.0, 4))
    assert speak(2.0, 3).shape == (2 * RATE,)
    assert np.abs(speak(2.0, 3)).max() == pytest.approx(0.6)


@pytest.mark.parametrize("seed", range(4))
def test_syllables_come_three_to_five_a_second_with_rests(seed):
    curve = mouth_curve(speak(20.0, seed))
    peaks, _ = find_peaks(curve, prominence=0.1)
    gaps = np.diff(peaks) / 100
    assert 0.18 < np.median(gaps) < 0.35
    assert (gaps > 0.45).any()
    assert curve.min() < 0.05
    assert np.percentile(curve, 90) > 0.5


def test_pitch_is_what_was_asked():
    for hertz in (110.0, 200.0):
        sound = speak(6.0, 1, pitch_hz=hertz)
        spectrum = np.abs(np.fft.rfft(sound)) ** 2
        band = np.fft.rfftfreq(len(sound), 1 / RATE)
        low = (band > 60) & (band < 1.45 * hertz)
        middle = (band[low] * spectrum[low]).sum() / spectrum[low].sum()
        assert middle == pytest.approx(hertz, rel=0.15)


def test_the_mouth_does_not_lag_the_sound():
    sound = np.zeros(RATE, np.float32)
    sound[RATE // 2 - 800 : RATE // 2 + 800] = 0.5  # a tenth of a second about 0.5 s
    curve = mouth_curve(sound)
    centre = (curve * (np.arange(100) + 0.5)).sum() / curve.sum() / 100
    assert centre == pytest.approx(0.5, abs=0.002)
