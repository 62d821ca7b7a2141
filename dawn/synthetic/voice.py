"""A speech-like voice: a glottal pulse train through formants, syllable by syllable.

It carries what synchronisation needs, a loudness that rises and falls with syllables and rests
between phrases, and enough of speech's spectrum for audio features to have something to say.
"""

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE = 16_000
"""Samples a second."""
CURVE_RATE = 100
"""Loudness values a second."""

_VOWELS = np.array(  # the first three formants of a, e, i, o, u and schwa, in hertz
    [
        *((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010)),
        *((570, 840, 2410), (300, 870, 2240), (500, 1500, 2500)),
    ],
    dtype=np.float64,
)
_BANDWIDTHS = (80.0, 110.0, 160.0)
_SMOOTHING_S = 0.045


def speak(seconds: float, seed: int, *, pitch_hz: float = 190.0, tract: float = 1.0) -> Floats:
    """(samples,) of voice at 16 kHz, peak 0.6. `tract` scales the formants: below 1 is larger."""
    draw = np.random.default_rng((seed, 0x70CE))
    count = round(seconds * RATE)
    source = _glottis(count, pitch_hz, draw)
    hiss = draw.standard_normal(count)
    sound = np.zeros(count)
    for start, stop, level in _syllables(count, draw):
        vowel = _VOWELS[draw.integers(len(_VOWELS))] * tract
        length = stop - start
        time = np.linspace(0, 1, length)
        voiced = _resonate(source[start:stop], vowel) * np.sin(np.pi * time) ** 1.2
        burst_at, burst_level = 0.12, draw.uniform(0, 0.35)
        noise = scipy.signal.lfilter([1, -0.9], [1], hiss[start:stop])
        burst = noise * np.exp(-(((time - burst_at) / 0.07) ** 2)) * burst_level * 0.3
        sound[start:stop] += level * (voiced / (np.abs(voiced).max() + 1e-9) + burst)
    sound += 1e-4 * hiss
    loud: Floats = (0.6 * sound / np.abs(sound).max()).astype(np.float32)
    return loud


def mouth_curve(voice: Floats) -> Floats:
    """Mouth opening in 0..1 at 100 Hz: the voice's loudness, smoothed without delay."""
    hop = RATE // CURVE_RATE
    count = -(-len(voice) // hop)
    padded = np.pad(voice.astype(np.float64), (0, count * hop - len(voice)))
    loudness = np.sqrt((padded.reshape(count, hop) ** 2).mean(axis=1))
    smooth = scipy.ndimage.gaussian_filter1d(loudness, _SMOOTHING_S * CURVE_RATE)
    scale = np.percentile(smooth, 95)
    opening: Floats = np.clip(smooth / max(scale, 1e-9), 0, 1).astype(np.float32)
    return opening


def _syllables(count: int, draw: np.random.Generator) -> list[tuple[int, int, float]]:
    """Start, stop and level of each syllable: 3 to 5 a second, in phrases with rests between."""
    found: list[tuple[int, int, float]] = []
    at = draw.uniform(0.10, 0.25)
    while True:
        for _ in range(draw.integers(3, 7)):
            length = draw.uniform(0.20, 0.33)
            start, stop = round(at * RATE), round((at + length) * RATE)
            if stop > count - RATE // 10:
                return found
            found.append((start, stop, float(draw.uniform(0.35, 1.0))))
            at += length * draw.uniform(0.9, 1.0)
        at += draw.uniform(0.25, 0.5)


def _glottis(count: int, pitch_hz: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """The glottal flow's slope, its pitch drifting by some tenths."""
    time = np.arange(count) / RATE
    rates, phases = draw.uniform(0.3, 2.5, (3, 1)), draw.uniform(0, 2 * np.pi, (3, 1))
    drift = np.sin(2 * np.pi * rates * time + phases).mean(axis=0)
    phase = np.cumsum(pitch_hz * (1 + 0.18 * drift)) / RATE % 1
    flow = np.where(phase < 0.6, 0.5 - 0.5 * np.cos(2 * np.pi * phase / 0.6), 0)
    return np.diff(flow, prepend=0.0)


def _resonate(sound: NDArray[np.float64], formants: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pass a sound through one two-pole resonator after another."""
    for hertz, width in zip(formants, _BANDWIDTHS, strict=True):
        radius = np.exp(-np.pi * width / RATE)
        poles = [1, -2 * radius * np.cos(2 * np.pi * hertz / RATE), radius**2]
        sound = scipy.signal.lfilter([sum(poles)], poles, sound)
    return sound
