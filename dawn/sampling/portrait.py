"""The portrait: a picture file to a square crop, first pose, eye openness and face box.

Found and cropped as clips of a dataset are (`dawn.features.crop`), so that the networks see what
they were trained on.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dawn.curation.clip import face_boxes
from dawn.features.crop import CropConfig, cut_square, still_square
from dawn.features.eyes import eye_ratios
from dawn.features.faces import FaceDetector
from dawn.features.landmarks import borrow_mesh, return_mesh
from dawn.features.pose import head_pose
from dawn.features.video import open_media
from manifests.errors import InputError
from manifests.reasons import UnreadableVideoError

MAX_MEGAPIXELS = 100.0
POSE_DIM = 6
"""Yaw, pitch, roll, scale, tx, ty. The seventh value of a pose, tz, is dropped officially."""

_MESH_SIDE = 512
_DETECT_SIDE = 1280
"""Detectors look at far fewer pixels; a larger picture only costs time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A face as generation starts from it."""

    picture: NDArray[np.uint8]
    """The crop, RGB (S, S, 3), at the size of the video."""
    pose: NDArray[np.float32]
    """(6,): degrees, 3DDFA's scale, pixels; see `dawn.features.pose`."""
    eyes: NDArray[np.float32]
    """(2,): openness of the left and the right eye."""
    box: NDArray[np.float32]
    """(4,): x_min, x_max, y_min, y_max of the face as shares of the crop's side."""
    faces: int = 1
    """Faces in the whole picture; the largest was taken."""


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The upright RGB picture (H, W, 3) of a file. Raises InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes and odd metadata; checked below
            with Image.open(path) as image:
                if image.width * image.height > MAX_MEGAPIXELS * 1e6:
                    size = f"{image.width} x {image.height} pixels"
                    raise InputError(
                        f"{path}: {size} are more than {MAX_MEGAPIXELS:g} megapixels; scale it down"
                    )
                upright = ImageOps.exif_transpose(image)
                return np.asarray(_flattened(upright).convert("RGB"), dtype=np.uint8)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; give a picture") from error
    except UnidentifiedImageError as error:
        if _is_video(path):
            raise InputError(
                f"{path}: is a video; give a picture, such as a frame of it"
            ) from error
        raise InputError(f"{path}: is not a picture; give a JPEG, PNG or WebP file") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path}: has more than {MAX_MEGAPIXELS:g} megapixels; scale it down"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's words for damaged files
        if isinstance(error, InputError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read as a picture ({reason})") from error


def find_portrait(picture: NDArray[np.uint8], size: int, where: str = "the picture") -> Portrait:
    """Find the largest face, crop it to `size` pixels and measure it.

    Raises InputError that names `where` when there is no face.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, _DETECT_SIDE / max(height, width))
    small = picture
    if scale < 1:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    boxes = FaceDetector(0.5).detect(small)
    if not boxes:
        raise InputError(f"{where}: no face was found; give a picture with a face seen from ahead")
    square = still_square(boxes[0][None] / scale, width, height, CropConfig())
    seen = cut_square(picture, square, _MESH_SIDE)
    return measured(seen, cut_square(picture, square, size), len(boxes), where)


def measured(seen: NDArray[np.uint8], crop: NDArray[np.uint8], faces: int, where: str) -> Portrait:
    """The portrait of a crop (S, S, 3), measured on the same crop at any size, `seen`."""
    mesh = borrow_mesh()
    try:
        points = mesh.detect(seen)
    finally:
        return_mesh(mesh)
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


def _flattened(image: Image.Image) -> Image.Image:
    """Without transparency: on white, as viewers show it."""
    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba)


def _is_video(path: Path) -> bool:
    try:
        with open_media(path) as container:
            return bool(container.streams.video)
    except UnreadableVideoError:
        return False
