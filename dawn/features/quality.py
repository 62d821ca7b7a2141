"""Measures of a picture that filters judge: sharpness and light."""

import cv2
import numpy as np
from numpy.typing import NDArray

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
