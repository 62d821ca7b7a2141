"""Hands before a face; `tests/pipeline/ingest/test_shared_clips.py` looks at a real one."""

import numpy as np
from numpy.typing import NDArray
from skimage import data

from dawn.features.faces.hands import HAND_LANDMARKS, covered_share, covers, hands

# A face as a disc of mesh points around (50, 50), radius 30.
_ANGLES = np.linspace(0, 2 * np.pi, 478)
FACE = np.stack([50 + 30 * np.cos(_ANGLES), 50 + 30 * np.sin(_ANGLES), 0 * _ANGLES], 1)
FACE = FACE.astype(np.float32)


def hand_with(inside: int) -> NDArray[np.float32]:
    """A hand from below with so many of its points on the face."""
    hand = np.full((HAND_LANDMARKS, 2), (50.0, 110.0), np.float32)
    hand[:inside] = (50, 60)
    return hand


def test_a_hand_covers_the_face_from_two_points_on() -> None:
    assert [n for n in range(HAND_LANDMARKS + 1) if covers(hand_with(n), FACE)] == [*range(2, 21)]


def test_the_corners_of_the_faces_box_are_not_face() -> None:
    corner = np.full((HAND_LANDMARKS, 2), (23.0, 23.0), np.float32)
    corner[-1] = 0
    assert not covers(corner, FACE)


def test_a_portrait_without_hands_and_the_empty_picture_have_none() -> None:
    portrait = data.astronaut()[:256, 96:352]
    assert hands(portrait).shape == (0, HAND_LANDMARKS, 2)
    looks = [(portrait, FACE), (np.zeros((64, 64, 3), np.uint8), FACE)]
    assert covered_share(looks) == 0
    assert covered_share([]) == 0
