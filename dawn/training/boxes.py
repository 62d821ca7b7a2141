"""Where mouth and eyes are.

Boxes are x_min, x_max, y_min, y_max, as shares of the picture's side once they are in features.
"""

import numpy as np
from numpy.typing import NDArray

MOUTH = slice(48, 68)
EYES = (slice(36, 42), slice(42, 48))
"""Of the 68 landmarks."""
_EYE_HEIGHT = 0.35
"""Half the height of an eye's box, as a share of its width: a closed eye has none of its own."""


def box_of(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box (T, 4) around landmarks (T, N, 2)."""
    low, high = points.min(axis=1), points.max(axis=1)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)


def eye_boxes(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (T, 2, 4) of both eyes from all landmarks (T, 68, 2); open or closed, as high."""
    boxes = np.stack([box_of(points[:, eye]) for eye in EYES], axis=1)
    half = _EYE_HEIGHT * (boxes[..., 1] - boxes[..., 0])
    middle = boxes[..., 2:].mean(axis=-1)
    boxes[..., 2], boxes[..., 3] = middle - half, middle + half
    return boxes
