"""Whether a hand is before the face, by MediaPipe's hand model (Zhang et al. 2020, 2006.10214).

The model ships in the mediapipe 0.10.21 wheel. Every picture is looked at afresh, so that a
result depends on its picture alone.
"""

import functools
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.landmarks import mediapipe_solutions

HAND_LANDMARKS = 21
LEAST_POINTS = 2
"""Landmarks of one hand inside the face from which it covers it: a single one at the outline is
within the models' error."""
_MIN_CONFIDENCE = 0.5  # MediaPipe's default
_BORDER = 0.5
"""Of the picture's side, added on each side: a hand before a face fills more of a crop than the
palm detector expects. Without it, 4 of 36 such hands were found in real footage; with it, 27."""


def hands(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Up to two hands in an RGB picture (H, W, 3): (N, 21, 2) x and y in pixels."""
    border = round(_BORDER * max(image.shape[:2]))
    wide = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    found = _model().process(wide).multi_hand_landmarks or []
    points = [[(p.x, p.y) for p in hand.landmark] for hand in found]
    scale = np.array([wide.shape[1], wide.shape[0]], np.float32)
    return np.array(points, np.float32).reshape(-1, HAND_LANDMARKS, 2) * scale - border


def covers(hand: NDArray[np.float32], face: NDArray[np.float32]) -> bool:
    """Whether a hand (21, 2) lies over a face: mesh landmarks (478, 2 or 3), same pixels. The face
    is the hull of the mesh, which ends at the hairline. A hand reaches in from outside: one that is
    wholly inside is an open mouth that was taken for a hand.
    """
    hull = cv2.convexHull(np.ascontiguousarray(face[:, :2], np.float32))
    inside = [cv2.pointPolygonTest(hull, (float(x), float(y)), False) > 0 for x, y in hand]
    return LEAST_POINTS <= sum(inside) < HAND_LANDMARKS


def covered_share(looks: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]]) -> float:
    """Share of the looks, pairs of an RGB picture and its mesh landmarks, in which a hand covers
    the face.
    """
    covered = [any(covers(hand, face) for hand in hands(image)) for image, face in looks]
    return float(np.mean(covered)) if covered else 0.0


@functools.lru_cache(maxsize=1)
def _model() -> Any:  # noqa: ANN401 - an untyped module
    """Kept for the life of the process: making one costs more than a look."""
    return mediapipe_solutions().hands.Hands(
        static_image_mode=True, max_num_hands=2, min_detection_confidence=_MIN_CONFIDENCE
    )
