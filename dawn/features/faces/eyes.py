"""Eye and mouth opening from face landmarks. Blinks are in `blinks.py`."""

import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.landmarks import to_68


def eye_ratios(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Openness of the left and right eye, (T, 478, 3) to (T, 2).

    Height over width as the official code has it, in 68-point indices: left |43-47| / |45-42|,
    right |37-41| / |39-36|; distances in 3-D, so that a turned head keeps its ratio.
    """
    points = to_68(landmarks)
    left = _distance(points, 43, 47) / _distance(points, 45, 42)
    right = _distance(points, 37, 41) / _distance(points, 39, 36)
    return np.stack([left, right], axis=1)


def mouth_opening(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gap between the inner lips over the distance of the outer eye corners, (T,)."""
    points = to_68(landmarks)
    return _distance(points, 62, 66) / _distance(points, 36, 45)


def _distance(points: NDArray[np.float32], a: int, b: int) -> NDArray[np.float32]:
    return np.linalg.norm(points[:, a] - points[:, b], axis=-1)
