"""The square crop of a track: it stays still while the head moves.

The official cropping was never published. Ours follows the practice of HDTF and of Siarohin's
video preprocessing: the union of the track's face boxes, widened to hold hair, chin and some
background, one square for the whole track; but the face fills about half of it however much the
head moves.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CropConfig:
    """Size and place of the crop."""

    size: int = 256
    """Pixels of the written square."""
    widen: float = 1.6
    """Side of the square over the longer side of the union of face boxes."""
    least: float = 1.85
    """Side over the face's own longer side (the track's median) at least: the face of somebody who
    sits still fills at most 0.54 of the crop."""
    most: float = 2.15
    """The same at most, unless the moving head would not fit with `margin`: the face fills at least
    0.46."""
    margin: float = 1.1
    """Side over the longer side of the union of face boxes at least."""
    raise_by: float = 0.1
    """Upward shift as a share of the side: a face box ends at the brows, the hair is above."""

    def __post_init__(self) -> None:
        if self.size < 64 or self.size % 2:
            raise ValueError(f"size: {self.size} is not an even number of at least 64 pixels")
        for name in ("widen", "least", "margin"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: below 1 it would cut into the face; give at least 1")
        if self.most < self.least:
            raise ValueError(f"most: {self.most} is less than least, {self.least}")


@dataclass(frozen=True, slots=True)
class Square:
    """A square in source pixels; it may reach over the picture's edge."""

    x: int
    y: int
    side: int


def still_square(boxes: NDArray[np.float64], width: int, height: int, config: CropConfig) -> Square:
    """One square for all boxes (N, 4) of a track in a picture of the given size.

    Where the square would leave the picture it is first moved, then shrunk as far as the union
    of boxes allows; only a face at the very edge leaves a part to be padded.
    """
    x_min, y_min = boxes[:, 0].min(), boxes[:, 1].min()
    x_max, y_max = boxes[:, 2].max(), boxes[:, 3].max()
    union = max(x_max - x_min, y_max - y_min)
    face = float(np.median(np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])))
    side = min(max(union * config.widen, face * config.least), face * config.most)
    side = max(min(max(side, union * config.margin), min(width, height)), union)
    x = _within((x_min + x_max - side) / 2, side, width)
    y = _within((y_min + y_max - side) / 2 - config.raise_by * side, side, height)
    return Square(round(x), round(y), max(2, round(side)))


def cut_square(image: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    """The square of an RGB picture (H, W, 3) as (size, size, 3); edges repeat outside.

    A little smaller is interpolated linearly, much smaller averaged over areas: that costs five
    times as much and shows only where several pixels become one.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = square.x, square.y, square.x + square.side, square.y + square.side
    part = image[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)]
    pad = (max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width))
    if any(pad):
        part = cv2.copyMakeBorder(part, *pad, cv2.BORDER_REPLICATE)
    scale = square.side / size
    how = cv2.INTER_CUBIC if scale <= 1 else cv2.INTER_LINEAR if scale < 1.5 else cv2.INTER_AREA
    return cv2.resize(part, (size, size), interpolation=how).astype(np.uint8, copy=False)


def _within(low: float, side: float, limit: int) -> float:
    """Move an interval inside [0, limit] where it fits, else centre it."""
    if side >= limit:
        return (limit - side) / 2
    return min(max(low, 0.0), limit - side)
