"""How pictures and heads move: functions of numbers that are measured of every frame.

Movement and rotation of the head are those of TalkVid (arXiv 2508.13618), per frame.
"""

import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS

SAME = 0.5
"""Mean change, in grey levels, up to which two crops are the same picture, coded twice."""


def longest_still(changes: NDArray[np.float32]) -> float:
    """Seconds of the longest run of one picture: `changes` (T,) are each frame's mean change
    against the one before. A picture that is shown once lasts 1/25 s.
    """
    longest = run = 1
    for change in changes[1:]:
        run = run + 1 if change <= SAME else 1
        longest = max(longest, run)
    return longest / FPS


def repeated_share(changes: NDArray[np.float32]) -> float:
    """Share of the frames that show the picture of the one before."""
    return float((changes[1:] <= SAME).mean()) if len(changes) > 1 else 0.0


def head_movement(boxes: NDArray[np.float32]) -> float:
    """Mean distance by which the face moves from frame to frame, in thousandths of its own size;
    `boxes` (T, 4) are x_min, x_max, y_min, y_max.
    """
    if len(boxes) < 2:
        return 0.0
    middle = np.stack([boxes[:, :2].mean(axis=1), boxes[:, 2:].mean(axis=1)], axis=1)
    size = np.maximum(boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]).mean()
    return float(1000 * np.linalg.norm(np.diff(middle, axis=0), axis=1).mean() / size)


def head_rotation(pose: NDArray[np.float32]) -> float:
    """Mean change of yaw, pitch and roll, (T, 3 or more) in degrees, from frame to frame."""
    return float(np.abs(np.diff(pose[:, :3], axis=0)).mean()) if len(pose) > 1 else 0.0
