"""Face crops as SyncNet and LR-ASD were trained and are judged on: along a smoothed track, wider
than the face and moved down, so that the whole chin stays inside.

The recipe is run_pipeline.py of joonson/syncnet_python, which LR-ASD's demo repeats: a median of
13 frames on centre and size; with half the longer side s and margin 0.4, rows from -s to 1.8 s
and columns from -1.4 s to 1.4 s around the centre; grey 110 outside of the picture. Its JPEG and
XVID steps in between are left out.
"""

from collections.abc import Iterable

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from manifests.errors import InputError

MARGIN = 0.4
"""How much wider than the face the crop is on each side, in half face sizes."""

SIZE = 224
"""Side of a crop in pixels."""

_MEDIAN_FRAMES = 13
_GREY = 110


def track_crops(
    frames: Iterable[NDArray[np.uint8]], boxes: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """One crop per frame: pictures (H, W, 3) and face boxes (T, 4) to (T, 224, 224, 3).

    A box is left, top, right, bottom in pixels. The colour order is kept. Raises InputError when
    a box is not finite or empty, or when there are not as many frames as boxes.
    """
    squares = track_squares(boxes)
    try:
        crops = [_crop(frame, square) for frame, square in zip(frames, squares, strict=True)]
    except ValueError as error:
        raise InputError(f"expected one frame for each of {len(boxes)} face boxes") from error
    return np.stack(crops)


def crops_of(frames: Iterable[NDArray[np.uint8]], squares: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Pictures (H, W, 3) and as many squares of `track_squares` to crops (T, 224, 224, 3)."""
    return np.stack([_crop(frame, square) for frame, square in zip(frames, squares, strict=True)])


def track_squares(boxes: NDArray[np.float32]) -> NDArray[np.int64]:
    """Face boxes (T, 4) to the smoothed crop squares (T, 4): left, top, right, bottom."""
    left, top, right, bottom = boxes.astype(np.float64).T
    if not len(boxes) or not ((right > left) & (bottom > top)).all():
        raise InputError("a face track needs a box with left < right and top < bottom per frame")
    # medfilt sees zeros beyond the ends: a window no longer than the track keeps them a minority.
    window = min(_MEDIAN_FRAMES, len(boxes) - (len(boxes) + 1) % 2)
    half = scipy.signal.medfilt(np.maximum(right - left, bottom - top) / 2, window)
    x = scipy.signal.medfilt((left + right) / 2, window)
    y = scipy.signal.medfilt((top + bottom) / 2, window)
    wide = half * (1 + MARGIN)
    edges = [x - wide, y - half, x + wide, y + half * (1 + 2 * MARGIN)]
    return np.asarray(np.floor(np.stack(edges, axis=1)), dtype=np.int64)


def _crop(frame: NDArray[np.uint8], square: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The part of a picture inside `square`, grey where there is none, as (224, 224, 3)."""
    left, top, right, bottom = square
    height, width = frame.shape[:2]
    x0, y0 = np.clip([left, top], 0, [width, height])
    x1, y1 = np.clip([right, bottom], 0, [width, height])
    canvas = np.full((bottom - top, right - left, 3), _GREY, dtype=np.uint8)
    canvas[y0 - top : y1 - top, x0 - left : x1 - left] = frame[y0:y1, x0:x1]
    return np.asarray(cv2.resize(canvas, (SIZE, SIZE)), dtype=np.uint8)
