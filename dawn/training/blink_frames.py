"""Where a clip's eyes are closed: so rarely that training has to look for it."""

import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.eyes import BlinkConfig

_NEAR = 10
"""Frames from a closed eye to the open one it is paired with, at most."""


def blink_pair(openness: NDArray[np.float32], own: np.random.Generator) -> list[int]:
    """A frame with closed eyes and one just off it with open ones; empty where there are none.

    Little else changes between the two, so that the network learns what does.
    """
    closed = closed_frames(openness)
    if not len(closed):
        return []
    place = int(own.choice(closed))
    near = np.arange(max(0, place - _NEAR), min(len(openness), place + _NEAR + 1))
    opened = np.setdiff1d(near, closed)
    return [place, int(own.choice(opened))] if len(opened) else []


def closed_frames(openness: NDArray[np.float32]) -> NDArray[np.int64]:
    """Numbers of the frames in which the eyes (T, 2) are closed as in a blink."""
    mean = openness.mean(axis=1)
    return np.flatnonzero(mean < BlinkConfig().close_below * np.percentile(mean, 90))
