"""How often the mesh looks at what the detector sees."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from dawn.features.faces.detection import Face, FaceDetector, confirm

Picture = NDArray[np.uint8]
PORTRAIT = data.astronaut()[:300, 100:400]


def looked_at(pictures: list[Picture]) -> tuple[list[int], list[Face]]:
    """At which of the pictures the mesh looked, and the largest face of each."""
    detector = FaceDetector(0.5)
    looks: list[int] = []
    largest: list[Face] = []
    before: list[Face] = []
    for k, picture in enumerate(pictures):

        def whole(k: int = k, picture: Picture = picture) -> Picture:
            looks.append(k)
            return picture

        before = detector.find(picture, picture.shape[1], whole, before)
        largest.append(before[0])
    return looks, largest


def test_a_steady_face_is_confirmed_at_each_fourth_look() -> None:
    moved = [np.roll(PORTRAIT, 3 * k, axis=1) for k in range(9)]
    looks, faces = looked_at(moved)
    assert looks == [0, 4, 8]
    assert all(face.confirmed for face in faces)
    for picture, face in zip(moved, faces, strict=True):
        assert face.detected is not None
        exact = confirm(picture, face.detected).box
        assert face.box == pytest.approx(exact, abs=0.05 * (exact[2] - exact[0]))


def test_a_face_elsewhere_is_confirmed_at_once() -> None:
    looks, _ = looked_at([np.roll(PORTRAIT, 40 * (k % 2), axis=1) for k in range(4)])
    assert looks == [0, 1, 2, 3]


def test_what_the_mesh_did_not_see_is_looked_at_again() -> None:
    box = np.array([0.0, 0, 10, 10])
    assert Face(box, confirmed=False, detected=box).carry(box) is None
