"""Measures of a clip that filters judge: sharpness, light, how much of the sound is a voice."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.sound.mel import loudness_db

_FACE_SIDE = 128


def face_patch(
    frame: NDArray[np.uint8], box: tuple[float, float, float, float]
) -> NDArray[np.uint8] | None:
    """The face box (x_min, x_max, y_min, y_max) of an RGB frame in grey, 128 x 128.

    One size for all, so that sharpness does not depend on how large the face is. None where the
    box lies outside the frame.
    """
    height, width = frame.shape[:2]
    x0, x1 = max(0, int(box[0])), min(width, int(box[1]) + 1)
    y0, y1 = max(0, int(box[2])), min(height, int(box[3]) + 1)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    grey = cv2.cvtColor(frame[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (_FACE_SIDE, _FACE_SIDE), interpolation=cv2.INTER_AREA)


def sharpness(patch: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of a grey face patch (Pech-Pacheco 2000); higher is sharper."""
    return float(cv2.Laplacian(patch, cv2.CV_32F).var())


def brightness(patch: NDArray[np.uint8]) -> float:
    """Mean grey level of a face patch, 0 to 255."""
    return float(patch.mean())


def voiced_share(samples: NDArray[np.float32], floor_db: float = -55.0) -> float:
    """Share of 40-ms frames that sound like a voice: loud enough, and periodic at 70-400 Hz.

    Periodicity is the peak of the normalised autocorrelation (Boersma 1993) above 0.5. Music
    with a pitch passes too: this finds silence and noise, not speech as such.
    """
    loud = loudness_db(samples) > floor_db
    if not loud.any():
        return 0.0
    frames = samples.reshape(-1, SAMPLES_PER_FRAME)[loud]
    window = np.hanning(SAMPLES_PER_FRAME)
    size = 2 * SAMPLES_PER_FRAME
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(frames * window, size)) ** 2
    own = np.abs(np.fft.rfft(window, size)) ** 2
    correlation = np.fft.irfft(spectrum) / np.maximum(np.fft.irfft(own), 1e-6)
    lags = slice(SAMPLE_RATE // 400, SAMPLE_RATE // 70)
    peak = correlation[:, lags].max(axis=1) / np.maximum(correlation[:, 0], 1e-12)
    return float((peak > 0.5).sum() / len(loud))
