"""Log-mel audio features, 25 rows a second: what is used while HuBERT's weights are absent."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import SAMPLE_RATE, SAMPLES_PER_FRAME

BANDS = 80
STEPS = 4
"""Analysis steps of 10 ms in each 40-ms frame, side by side in a row."""
ROW = BANDS * STEPS

_HOP = SAMPLES_PER_FRAME // STEPS
_WINDOW = 400
_FFT = 512


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mono 16 kHz samples (T * 640,) to (T, 320): four steps of 80 natural-log mel energies.

    25-ms Hann windows every 10 ms, centred on their step; HTK mel scale from 0 to 8 kHz; a
    floor of 1e-5 stands for silence.
    """
    steps = len(samples) // _HOP
    pad = (_WINDOW - _HOP) // 2
    padded = np.pad(samples, (pad, _WINDOW))
    starts = np.arange(steps)[:, None] * _HOP
    windows = padded[starts + np.arange(_WINDOW)] * np.hanning(_WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(windows, _FFT)) ** 2
    mel = np.log(np.maximum(power @ _filters().T, 1e-5))
    return mel.reshape(-1, ROW).astype(np.float32)


def loudness_db(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean square of each 40-ms frame in dB below full scale, (T * 640,) to (T,)."""
    frames = samples.reshape(-1, SAMPLES_PER_FRAME).astype(np.float64)
    rms = np.sqrt((frames**2).mean(axis=1))
    return (20 * np.log10(np.maximum(rms, 1e-6))).astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float64]:
    """Triangular mel filters, (80, 257)."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    frequency = np.linspace(0, SAMPLE_RATE / 2, _FFT // 2 + 1)
    rising = (frequency - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequency) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))
