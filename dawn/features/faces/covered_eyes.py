"""Whether something dark lies over the eyes: sunglasses, most of all.

Landmarks do not say: the mesh draws plausible open eyes behind dark glasses (openness 0.24 and 0.29
in a picture of them). The skin under the eyes does: with nothing before it, it is about as bright
as the cheeks.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

_UNDER = {"left": (449, 450, 451, 452), "right": (229, 230, 231, 232)}
"""Mesh points below the lower lid, where glasses are and lashes, brows and irises are not."""
_CHEEK = {"left": (330, 280, 425), "right": (101, 50, 205)}

MIN_SHADE = 0.45
"""Below, something covers the eyes. Ten people with bare eyes, in portraits and videos, had 0.59 to
1.29; one with sunglasses 0.34; dark ellipses drawn over the ten people's eyes 0.10 to 0.32.
"""


def eye_shade(picture: NDArray[np.uint8], points: NDArray[np.float32]) -> float:
    """How bright the skin under the eyes is against the cheeks (1: the same), on the side where it
    is brighter: light from one side leaves the other eye in the dark.

    `picture` is RGB (S, S, 3), `points` the mesh (478, 3) in its pixels.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    radius = max(1, picture.shape[0] // 150)

    def brightness(indices: tuple[int, ...]) -> float:
        places = points[list(indices), :2].round().astype(int).clip(0, picture.shape[0] - 1)
        patches = [
            grey[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].ravel()
            for x, y in places
        ]
        return float(np.median(np.concatenate(patches)))

    return max(brightness(_UNDER[side]) / max(brightness(_CHEEK[side]), 1.0) for side in _UNDER)
