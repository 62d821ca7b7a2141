"""Is one video a re-encoded copy of another? Told from pictures: credentials do not survive that.

Videos of one portrait share nearly every pixel, so what counts is what moves. Both are brought to
25 fps and thumbnails; a copy moves as its original does, at one lag.
"""

from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS
from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe
from manifests.errors import InputError
from manifests.reasons import UnreadableVideoError

Thumbnails = NDArray[np.float32]
"""Grey pictures (T, SIDE, SIDE), 25 a second."""

SIDE = 16
LONGEST_S = 60
"""What of a video is looked at."""
LEAST_S = 0.4
"""Videos must overlap by this, and by half of the shorter one."""
COPY = 0.6
"""Likeness from which a video counts as a copy. docs/provenance.md has what was measured."""
_STILL = 0.25
"""Grey levels: movement below is a codec's noise."""


def thumbnails(path: Path) -> Thumbnails:
    """The video's pictures. Raises InputError for what is no video."""
    try:
        pictures = [
            cv2.resize(
                cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA
            )
            for _, frame in read_frames(path, probe(path), stop=LONGEST_S * FPS)
        ]
    except (UnreadableVideoError, av.error.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a video: {error}") from error
    if not pictures:
        raise InputError(f"{path}: holds no picture")
    return np.stack(pictures).astype(np.float32)


def likeness(a: Thumbnails, b: Thumbnails) -> float:
    """How surely one is a copy of the other, at most 1: the smaller of two correlations, that of
    their mean pictures and that of how they move, where they lie best over each other in time.
    """
    picture = _correlation(_standard(a.mean(axis=0)), _standard(b.mean(axis=0)))
    return min(picture, _moving_alike(_movement(a), _movement(b)))


def _movement(pictures: Thumbnails) -> Thumbnails:
    """(T, SIDE * SIDE): what differs from the mean picture, in units of the picture's contrast."""
    flat = pictures.reshape(len(pictures), -1)
    contrast = max(float(flat.mean(axis=0).std()), 1.0)
    return (flat - flat.mean(axis=0)) / contrast


def _moving_alike(a: Thumbnails, b: Thumbnails) -> float:
    """The best correlation over all lags, each of the part in which both are there."""
    least = max(round(LEAST_S * FPS), (min(len(a), len(b)) + 1) // 2)
    best = 0.0
    for lag in range(least - len(b), len(a) - least + 1):
        first, last = max(0, lag), min(len(a), len(b) + lag)
        best = max(best, _correlation(a[first:last], b[first - lag : last - lag]))
    return best


def _correlation(a: Thumbnails, b: Thumbnails) -> float:
    """Cosine; low where nothing varies by more than noise."""
    floor = a.size * (_STILL / 64) ** 2
    return float((a * b).sum() / np.sqrt(((a**2).sum() + floor) * ((b**2).sum() + floor)))


def _standard(picture: Thumbnails) -> Thumbnails:
    """Without its mean, in units of its own spread: brighter is no difference."""
    spread: Thumbnails = (picture - picture.mean()) / max(float(picture.std()), 1.0)
    return spread
