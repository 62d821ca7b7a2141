"""A speech-like voice: a glottal pulse train through formants that glide from vowel to vowel.

It carries what synchronisation needs, a loudness that rises and falls with syllables and rests
between phrases, and enough of speech for audio features and for a detector of speech: a breathy
source that closes sharply (Rosenberg 1971), moving formants, a hiss at a syllable's start, and
the faint noise of a room.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

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
_HIGHER = (3500.0, 4500.0)
"""The fourth and fifth formants, which vowels share."""
_BANDWIDTHS = (80.0, 110.0, 160.0, 200.0, 250.0)
_GLIDE = 1 / 3
"""Share of a syllable in which its formants move from those of the one before."""
_PIECE = RATE // 100
"""Samples for which the formants stand still."""
_BREATH = 0.2
_ROOM = 2e-3
_SMOOTHING_S = 0.045


def speak(seconds: float, seed: int, *, pitch_hz: float = 190.0, tract: float = 1.0) -> Floats:
    """(samples,) of voice at 16 kHz, peak 0.6. `tract` scales the formants: below 1 is larger."""
    draw = np.random.default_rng((seed, 0x70CE))
    count = round(seconds * RATE)
    source = _glottis(count, pitch_hz, draw)
    hiss = draw.standard_normal(count)
    strength = np.abs(source) / np.abs(source).max()
    source += _BREATH * np.abs(source).max() * hiss * (strength + 0.3)
    sound = np.zeros(count)
    before = _VOWELS[-1] * tract
    for start, stop, level in _syllables(count, draw):
        vowel = _VOWELS[draw.integers(len(_VOWELS))] * tract
        length = stop - start
        time = np.linspace(0, 1, length)
        share = np.minimum(time / _GLIDE, 1)[:, None]
        formants = np.pad((1 - share) * before + share * vowel, ((0, 0), (0, len(_HIGHER))))
        formants[:, -len(_HIGHER) :] = _HIGHER
        voiced = _resonate(source[start:stop], formants) * np.sin(np.pi * time) ** 1.2
        before = vowel
        burst_at, burst_level = 0.12, draw.uniform(0, 1)
        noise = lfilter([1, -0.9], [1], hiss[start:stop])
        burst = noise * np.exp(-(((time - burst_at) / 0.07) ** 2)) * burst_level * 0.3
        sound[start:stop] += level * (voiced / (np.abs(voiced).max() + 1e-9) + burst)
    sound += _ROOM * hiss
    loud: Floats = (0.6 * sound / np.abs(sound).max()).astype(np.float32)
    return loud


def mouth_curve(voice: Floats) -> Floats:
    """Mouth opening in 0..1 at 100 Hz: the voice's loudness, smoothed without delay."""
    hop = RATE // CURVE_RATE
    count = -(-len(voice) // hop)
    padded = np.pad(voice.astype(np.float64), (0, count * hop - len(voice)))
    loudness = np.sqrt((padded.reshape(count, hop) ** 2).mean(axis=1))
    smooth = gaussian_filter1d(loudness, _SMOOTHING_S * CURVE_RATE)
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
    opens, closes = 0.4, 0.07  # shares of a period
    rising = 0.5 - 0.5 * np.cos(np.pi * phase / opens)
    falling = np.cos(0.5 * np.pi * np.clip((phase - opens) / closes, 0, 1))
    return np.diff(np.where(phase < opens, rising, falling), prepend=0.0)


def _resonate(sound: NDArray[np.float64], formants: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pass a sound (n,) through one two-pole resonator after another, formants (n, 5) in hertz."""
    for hertz, width in zip(formants.T, _BANDWIDTHS, strict=True):
        radius = np.exp(-np.pi * width / RATE)
        passed, state = np.empty_like(sound), np.zeros(2)
        for start in range(0, len(sound), _PIECE):
            piece = slice(start, start + _PIECE)
            poles = [1, -2 * radius * np.cos(2 * np.pi * hertz[start] / RATE), radius**2]
            passed[piece], state = lfilter([sum(poles)], poles, sound[piece], zi=state)
        sound = passed
    return sound
