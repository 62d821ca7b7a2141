"""Beats of sound and of head motion, and how well they meet. All positions are in frames of
1/25 s, where picture t is at t and sound sample n at n / 640.
"""

import numpy as np
import scipy
from numpy.typing import NDArray

from dawn.features.sound.mel import BANDS, STEPS, log_mel

F64 = NDArray[np.float64]

SIGMA_BEAT = 3.0
"""Frames by which two beats may miss each other: 120 ms. Bailando's constant, at 25 frames/s."""

SIGMA_SMOOTH = 3.0
"""Frames of Gaussian smoothing of the head's speed: 120 ms."""

MIN_PROMINENCE = 0.1
"""Depth of a lull of the head, as a share of the range (5 to 95 %) of its speed."""

MIN_DEGREES = 0.1
"""Degrees a frame that a lull must be deep at least: less is the landmarks' noise."""

ONSET_GAP = 10
"""Steps of 10 ms between onsets at least."""

AUDIBLE_DB = 30.0
"""Onsets count within so many dB of the loud parts (95 %) of the clip."""


def rotations(angles: NDArray[np.float32] | F64) -> F64:
    """Yaw, pitch, roll (T, 3) in degrees, as dawn.features.faces.pose has them, to (T, 3, 3): the
    last row is sin yaw and cos yaw (sin pitch, cos pitch).
    """
    yaw, pitch, roll = np.radians(angles.astype(np.float64)).T
    one, zero = np.ones_like(yaw), np.zeros_like(yaw)
    about_x = [one, zero, zero, zero, np.cos(pitch), -np.sin(pitch), zero, np.sin(pitch)]
    x = np.stack([*about_x, np.cos(pitch)], axis=-1).reshape(-1, 3, 3)
    about_y = [np.cos(yaw), zero, -np.sin(yaw), zero, one, zero, np.sin(yaw), zero]
    y = np.stack([*about_y, np.cos(yaw)], axis=-1).reshape(-1, 3, 3)
    about_z = [np.cos(roll), -np.sin(roll), zero, np.sin(roll), np.cos(roll), zero, zero, zero]
    z = np.stack([*about_z, one], axis=-1).reshape(-1, 3, 3)
    return np.asarray(z @ y @ x, dtype=np.float64)


def head_speed(angles: NDArray[np.float32] | F64) -> F64:
    """Angle between the head's attitudes in successive frames in degrees: (T, 3) to (T - 1,);
    entry t is at t + 0.5.
    """
    turns = rotations(angles)
    chord = np.linalg.norm(turns[1:] - turns[:-1], axis=(1, 2))  # √8 sin(angle / 2)
    return np.asarray(np.degrees(2 * np.arcsin(np.clip(chord / np.sqrt(8), 0, 1))))


def motion_beats(speed: F64) -> F64:
    """Lulls of the head: local minima of its smoothed speed (T - 1,), in frames."""
    if len(speed) < 3:
        return np.empty(0)
    smooth = scipy.ndimage.gaussian_filter1d(speed, SIGMA_SMOOTH, mode="nearest")
    low, high = np.percentile(smooth, [5, 95])
    depth = max(MIN_PROMINENCE * (high - low), MIN_DEGREES)
    lulls, _ = scipy.signal.find_peaks(-smooth, prominence=depth)
    return np.asarray(lulls + 0.5, dtype=np.float64)


def audio_beats(sound: NDArray[np.float32]) -> F64:
    """Onsets of sound (T * 640,) at 16 kHz, in frames: peaks of the rise of its log-mel energy
    over 20 ms, averaged over bands.
    """
    mel = log_mel(sound).reshape(-1, BANDS).astype(np.float64)
    rise = np.zeros(len(mel))
    rise[2:] = np.maximum(mel[2:] - mel[:-2], 0).mean(axis=1)
    smooth = scipy.ndimage.gaussian_filter1d(rise, 1.0, mode="nearest")
    if not np.ptp(smooth) > 0:
        return np.empty(0)
    peaks, _ = scipy.signal.find_peaks(smooth, distance=ONSET_GAP, prominence=0.5 * smooth.std())
    power = np.exp(mel).sum(axis=1)
    loud = np.percentile(power, 95) * 10 ** (-AUDIBLE_DB / 10)
    # What begins at a peak is heard in the 100 ms after it.
    heard = [power[p : p + ONSET_GAP].max() >= loud for p in peaks]
    return np.asarray((peaks[np.asarray(heard, dtype=bool)] + 0.5) / STEPS, dtype=np.float64)


def alignment(beats: F64, others: F64, sigma: float = SIGMA_BEAT) -> float:
    """Mean over `beats` of exp(-d² / 2 sigma²), d the frames to the nearest of `others`; 0 where
    there are no others. Raises ValueError without beats.
    """
    if not len(beats):
        raise ValueError("no beats to align")
    if not len(others):
        return 0.0
    nearest = np.abs(beats[:, None] - others[None]).min(axis=1)
    return float(np.exp(-(nearest**2) / (2 * sigma**2)).mean())


def chance(beats: F64, others: F64, frames: int, least: int) -> float:
    """`alignment` of beats that have nothing to do with the others: its mean over all turns of
    `beats` around a clip of so many frames by at least `least` frames.
    """
    turns = range(least, frames - least + 1)
    if not turns:
        raise ValueError(f"{frames} frames are too few to turn by {least}")
    return float(np.mean([alignment((beats + k) % frames, others) for k in turns]))
