"""Jump cuts inside a shot: footage left out of one take, which a shot detector cannot see.

Across such a cut the picture stays nearly the same, and the face is elsewhere at once. A movement
has a course: each step between frames resembles the step before or the step after. A jump
resembles neither. Where the head is equally placed before and after, landmarks show no cut.
"""

import numpy as np
from numpy.typing import NDArray

_EYE_CORNERS = (33, 263)
_NEIGHBOURS = 3
"""Steps on either side that a step is held against: footage whose frame rate was changed jerks
at every fifth frame or so, and has a peer within reach."""
_NOISE = 0.01
"""Of the distance of the eyes: what the mesh trembles by on a still face."""


def jerks(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """How little each step between frames resembles the steps beside it: mesh landmarks
    (T, 478, 2 or 3) to (T - 1,) mean distances, in units of the distance of the eyes' outer
    corners. The first and the last step have one neighbour, and count as 0.
    """
    if len(landmarks) < 4:
        return np.zeros(max(0, len(landmarks) - 1), np.float32)
    points = landmarks[..., :2]
    eyes = points[:, _EYE_CORNERS[0]] - points[:, _EYE_CORNERS[1]]
    size = max(float(np.median(np.linalg.norm(eyes, axis=-1))), 1e-6)
    steps = np.diff(points, axis=0)
    change = np.linalg.norm(np.diff(steps, axis=0), axis=-1).mean(axis=-1) / size
    inner = np.minimum(change[:-1], change[1:])
    return np.pad(inner, 1).astype(np.float32)


def largest_jump(landmarks: NDArray[np.float32]) -> float:
    """The largest jerk over the largest of those within three frames of it: up to about 3 where
    the face moves as faces do.
    """
    around = np.pad(jerks(landmarks), _NEIGHBOURS)
    if len(around) <= 2 * _NEIGHBOURS:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * _NEIGHBOURS + 1)
    usual = np.delete(windows, _NEIGHBOURS, axis=1).max(axis=1)
    return float((windows[:, _NEIGHBOURS] / np.maximum(usual, _NOISE)).max())
