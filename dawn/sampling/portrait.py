"""The portrait: a picture to a square crop, first pose, eye openness and face box.

Found and cropped as clips of a dataset are (`dawn.features.faces.crop`), so that the networks see
what they were trained on.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dawn.curation.clip import face_boxes
from dawn.features.faces.covered_eyes import MIN_SHADE, eye_shade
from dawn.features.faces.crop import cut_square
from dawn.features.faces.eyes import eye_ratios
from dawn.features.faces.landmarks import following
from dawn.features.faces.pose import head_pose
from manifests.errors import InputError

POSE_DIM = 6
"""Yaw, pitch, roll, scale, tx, ty. The seventh value of a pose, tz, is dropped officially."""

MAX_YAW = 50.0
"""Degrees from which a face is a profile: one eye is hidden (ingest's `max_yaw_p95`)."""

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
    face: int = 1
    """Which face of the picture it is; 1 is the largest."""
    boxes: NDArray[np.float64] | None = None
    """(N, 4): x_min, y_min, x_max, y_max of all the picture's faces in its pixels, by number; None
    where no picture was searched.
    """
    cautions: tuple[str, ...] = ()
    """What may make a poor video of it, in words."""

    @property
    def faces(self) -> int:
        """Faces in the whole picture."""
        return 1 if self.boxes is None else len(self.boxes)


def find_portrait(
    picture: NDArray[np.uint8], size: int, where: str = "the picture", face: int | None = None
) -> Portrait:
    """Find a face, by its number or else the largest, crop it to `size` pixels and measure it.

    Raises InputError that names `where` when there is no such face.
    """
    from dawn.features.faces.picture import face_square, find_faces  # late: memory needs none

    boxes = find_faces(picture)
    if not boxes:
        raise InputError(f"{where}: no face was found; give a picture with a face seen from ahead")
    number = check_face(face, len(boxes), where)
    square = face_square(picture, boxes[number - 1])
    seen = cut_square(picture, square, _MESH_SIDE)
    portrait = measured(seen, cut_square(picture, square, size), where)
    return replace(portrait, face=number, boxes=np.stack(boxes))


def check_face(face: int | None, faces: int, where: str) -> int:
    """The number of a face, 1 where none is given. Raises InputError where there is none such."""
    if face is not None and not 1 <= face <= faces:
        there = "one face was found; give 1" if faces == 1 else f"{faces} faces were found, the "
        numbers = "" if faces == 1 else f"largest is 1; give 1 to {faces}"
        raise InputError(f"{where}: there is no face {face}: {there}{numbers}")
    return face or 1


def measured(seen: NDArray[np.uint8], crop: NDArray[np.uint8], where: str) -> Portrait:
    """The portrait of a crop (S, S, 3), measured on the same crop at any size, `seen`."""
    with following() as mesh:
        points = mesh.detect(seen)
    if points is None:
        raise InputError(
            f"{where}: a face was found, its landmarks were not; give a larger or clearer one, "
            "seen from ahead"
        )
    pose, _ = head_pose(points[None])
    box = face_boxes(points[None])[0]
    return Portrait(
        picture=crop,
        pose=pose[0, :POSE_DIM],
        eyes=eye_ratios(points[None])[0],
        box=(box / np.float32(seen.shape[0])).astype(np.float32),
        cautions=cautions(seen, points, float(pose[0, 0])),
    )


def cautions(
    picture: NDArray[np.uint8], points: NDArray[np.float32], yaw: float
) -> tuple[str, ...]:
    """What may make a poor video of a face: `picture` (S, S, 3), mesh (478, 3), yaw in degrees."""
    found = []
    if abs(yaw) > MAX_YAW:
        found.append(
            f"the face is seen from the side (yaw {yaw:.0f}°, beyond {MAX_YAW:.0f}°); "
            "what is hidden will be guessed"
        )
    if eye_shade(picture, points) < MIN_SHADE:
        found.append(
            "the eyes seem covered (sunglasses?) or in deep shade; the model will guess at them"
        )
    return tuple(found)
