"""How light lies on a face, and the tone of its skin as the picture shows it.

From two patches of cheek, in CIE L*a*b* (D65). Tone is the individual typology angle, ITA =
arctan((L* - 50) / b*) in degrees (Chardon, Cretois and Hourseau, 1991), which the literature cuts
into very light (over 55), light (41), intermediate (28), tan (10), brown (-30) and dark. It is of
pictures: light, white balance and make-up change it, and a person is not their angle.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_CHEEKS = ((41, 31, 48, 3), (46, 35, 54, 13))
"""Of the 68 points: lower lid, wing of the nose, corner of the mouth, jaw. A cheek is between."""
_SIDE = 0.12
"""Half the side of a patch, of the distance between the outer corners of the eyes."""
_EYES = (36, 45)
BOUNDS = (-30.0, 10.0, 28.0, 41.0, 55.0)
"""Between dark, brown, tan, intermediate, light and very light."""


@dataclass(frozen=True, slots=True)
class Tones:
    """Of one picture. Lightness is L*, 0 to 100."""

    lightness: float
    """Of both cheeks."""
    side_light: float
    """Difference between the cheeks."""
    skin_tone: float
    """ITA in degrees."""


def tones(picture: NDArray[np.uint8], points: NDArray[np.float32]) -> Tones | None:
    """Of a face; None where a cheek is out of the picture. `picture` is RGB (H, W, 3), `points` the
    68 landmarks (68, 2) in its pixels.
    """
    radius = max(1, round(_SIDE * float(np.linalg.norm(points[_EYES[0]] - points[_EYES[1]]))))
    cheeks = []
    for corners in _CHEEKS:
        x, y = points[list(corners)].mean(axis=0).round().astype(int)
        height, width = picture.shape[:2]
        if not (radius <= x < width - radius and radius <= y < height - radius):
            return None
        patch = picture[y - radius : y + radius + 1, x - radius : x + radius + 1]
        lab = cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        cheeks.append(np.median(lab.reshape(-1, 3), axis=0))
    both = np.mean(cheeks, axis=0)
    return Tones(
        lightness=float(both[0]),
        side_light=float(abs(cheeks[0][0] - cheeks[1][0])),
        skin_tone=float(np.degrees(np.arctan2(both[0] - 50, max(both[2], 1e-6)))),
    )
