"""Where a clip's eyes are closed: so rarely that training has to look for it."""

import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.blinks import closed_frames

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
