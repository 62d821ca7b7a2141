"""How two curves of a clip move together, and by how many frames they are apart."""

import numpy as np
import scipy
from numpy.typing import NDArray

F64 = NDArray[np.float64]

MAX_LAG = 15
"""Frames by which sound is moved at most, as SyncNet does."""

MIN_SHARED = 25
"""Frames that the two must share at every lag."""

FLOOR_DB = 30.0
"""Sound more than this below the clip's loud parts (95 %) counts as silence."""


def speech_loudness(loudness: NDArray[np.float32]) -> F64:
    """Loudness in dB (T,), with everything too quiet to be speech at one level."""
    values = loudness.astype(np.float64)
    return np.maximum(values, np.percentile(values, 95) - FLOOR_DB)


def lagged_correlation(mouth: F64, sound: F64, max_lag: int = MAX_LAG) -> F64:
    """Pearson's r of mouth[t] with sound[t + k] for k from -K to K, (2 K + 1,), each over the
    frames both have; K is `max_lag` or what leaves `MIN_SHARED` frames. Both curves are smoothed
    over a frame. Raises ValueError for curves that are constant or too short.
    """
    if len(mouth) != len(sound) or len(mouth) < MIN_SHARED:
        raise ValueError(f"{len(mouth)} and {len(sound)} frames: {MIN_SHARED} of both are needed")
    reach = min(max_lag, len(mouth) - MIN_SHARED)
    a, b = (
        scipy.ndimage.gaussian_filter1d(curve.astype(np.float64), 1.0) for curve in (mouth, sound)
    )
    if np.std(a) < 1e-6 or np.std(b) < 1e-6:
        raise ValueError("a curve is constant")
    found = []
    for k in range(-reach, reach + 1):
        begin, end = max(0, -k), min(len(a), len(a) - k)
        found.append(_pearson(a[begin:end], b[begin + k : end + k]))
    return np.asarray(found, dtype=np.float64)


def offset_of(correlation: F64) -> int:
    """The offset in frames, in SyncNet's sign: positive, the sound leads the picture."""
    middle = len(correlation) // 2
    return middle - int(correlation.argmax())


def _pearson(a: F64, b: F64) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 1e-12 else 0.0
