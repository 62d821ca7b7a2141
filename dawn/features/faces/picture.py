"""A picture file as RGB, and the square of it that is animated: one way for making videos of a
portrait and for judging them. Faces are numbered by size: 1 is the largest.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dawn.features.faces.crop import CropConfig, Square, still_square
from dawn.features.faces.detection import Box, FaceDetector
from dawn.features.video.container import open_media
from manifests.errors import InputError
from manifests.reasons import UnreadableVideoError

MAX_MEGAPIXELS = 100.0

_DETECT_SIDE = 1280
"""Detectors look at far fewer pixels; a larger picture only costs time."""

_WHITES = {"I": (255, 65_535, 2**31 - 1), "F": (1, 255, 65_535)}
"""Of pictures whose kind does not say what white is: the least that holds all values."""


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The upright RGB picture (H, W, 3) of a file, of an animation the first. Raises InputError."""
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
                return np.asarray(_flattened(_in_8_bits(upright)).convert("RGB"), dtype=np.uint8)
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


def find_faces(picture: NDArray[np.uint8]) -> list[Box]:
    """The boxes of all faces of an RGB picture (H, W, 3), in its pixels, largest first."""
    height, width = picture.shape[:2]
    scale = min(1.0, _DETECT_SIDE / max(height, width))
    small = picture
    if scale < 1:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    faces = FaceDetector(0.5).find_all(small, picture)
    return [face.box for face in ([face for face in faces if face.confirmed] or faces)]


def face_square(picture: NDArray[np.uint8], box: Box) -> Square:
    """The square around a face of a picture (H, W, 3), as clips of a dataset are cropped."""
    height, width = picture.shape[:2]
    return still_square(box[None], width, height, CropConfig())


def numbered(picture: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """A copy of an RGB picture with boxes and their numbers from 1, no larger than a screen."""
    scale = min(1.0, _DETECT_SIDE / max(picture.shape[:2]))
    shown = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    line = max(2, round(max(shown.shape[:2]) / 400))
    for number, box in enumerate(boxes, start=1):
        x0, y0, x1, y1 = (round(float(corner) * scale) for corner in box)
        for colour, width in (((0, 0, 0), 2 * line), ((255, 220, 0), line)):
            cv2.rectangle(shown, (x0, y0), (x1, y1), colour, width)
        height = max(14, (y1 - y0) // 3)
        base = y0 - 3 * line if y0 > height + 4 * line else y0 + 2 * line + height
        letters = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height, line)
        for colour, width in (((0, 0, 0), 4 * line), ((255, 220, 0), 2 * line)):
            cv2.putText(
                shown, str(number), (x0 + 2 * line, base), cv2.FONT_HERSHEY_SIMPLEX, letters,
                colour, width, cv2.LINE_AA,
            )  # fmt: skip
    return shown.astype(np.uint8, copy=False)


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Grey pictures of more bits as 8-bit ones: Pillow itself clips them. One level of grey that
    stands for transparency becomes white.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    levels = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0).clip(min=0)
    whites = _WHITES.get(image.mode, (65_535,))
    white = next((white for white in whites if levels.max() <= white), levels.max())
    grey = np.round(levels * (255 / white)).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[levels == clear] = 255
    return Image.fromarray(grey)


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
