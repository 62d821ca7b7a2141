"""The portrait: a picture to a square crop, first pose, eye openness and face box.

Found and cropped as clips of a dataset are (`dawn.features.faces.crop`), so that the networks see
what they were trained on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn.curation.clip import face_boxes
from dawn.features.faces.crop import cut_square
from dawn.features.faces.eyes import eye_ratios
from dawn.features.faces.landmarks import following
from dawn.features.faces.pose import head_pose
from manifests.errors import InputError

POSE_DIM = 6
"""Yaw, pitch, roll, scale, tx, ty. The seventh value of a pose, tz, is dropped officially."""

_MESH_SIDE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A face as generation starts from it."""

    picture: NDArray[np.uint8]
    """The crop, RGB (S, S, 3), at the size of the video."""
    pose: NDArray[np.float32]
    """(6,): degrees, 3DDFA's scale, pixels; see `dawn.features.faces.pose`."""
    eyes: NDArray[np.float32]
    """(2,): openness of the left and the right eye."""
    box: NDArray[np.float32]
    """(4,): x_min, x_max, y_min, y_max of the face as shares of the crop's side."""
    faces: int = 1
    """Faces in the whole picture; the largest was taken."""


def find_portrait(picture: NDArray[np.uint8], size: int, where: str = "the picture") -> Portrait:
    """Find the largest face, crop it to `size` pixels and measure it.

    Raises InputError that names `where` when there is no face.
    """
    from dawn.features.faces.picture import face_square  # late: a portrait in memory needs none

    found = face_square(picture)
    if found is None:
        raise InputError(f"{where}: no face was found; give a picture with a face seen from ahead")
    square, faces = found
    seen = cut_square(picture, square, _MESH_SIDE)
    return measured(seen, cut_square(picture, square, size), faces, where)


def measured(seen: NDArray[np.uint8], crop: NDArray[np.uint8], faces: int, where: str) -> Portrait:
    """The portrait of a crop (S, S, 3), measured on the same crop at any size, `seen`."""
    with following() as mesh:
        points = mesh.detect(seen)
    if points is None:
        raise InputError(
            f"{where}: a face was found, its landmarks were not; give a larger or clearer picture"
        )
    pose, _ = head_pose(points[None])
    box = face_boxes(points[None])[0]
    return Portrait(
        picture=crop,
        pose=pose[0, :POSE_DIM],
        eyes=eye_ratios(points[None])[0],
        box=(box / np.float32(seen.shape[0])).astype(np.float32),
        faces=faces,
    )
