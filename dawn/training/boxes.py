"""Where mouth and eyes are, and how wrong a prediction is there.

Boxes are x_min, x_max, y_min, y_max, as shares of the picture's side once they are in features.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MOUTH = slice(48, 68)
EYES = (slice(36, 42), slice(42, 48))
"""Of the 68 landmarks."""
_EYE_HEIGHT = 0.35
"""Half the height of an eye's box, as a share of its width: a closed eye has none of its own."""


def box_of(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box (T, 4) around landmarks (T, N, 2)."""
    low, high = points.min(axis=1), points.max(axis=1)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)


def eye_boxes(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (T, 2, 4) of both eyes from all landmarks (T, 68, 2); open or closed, as high."""
    boxes = np.stack([box_of(points[:, eye]) for eye in EYES], axis=1)
    half = _EYE_HEIGHT * (boxes[..., 1] - boxes[..., 0])
    middle = boxes[..., 2:].mean(axis=-1)
    boxes[..., 2], boxes[..., 3] = middle - half, middle + half
    return boxes


def box_mask(boxes: Tensor, size: int) -> Tensor:
    """Masks (..., size, size) of boxes (..., 4) that are shares of the side.

    A cell belongs when its number lies within the scaled bounds (FD1:238-255); all twenty mouth
    landmarks count (officially the last is lost). A box between two cells takes the nearer one.
    """
    low, high = (boxes[..., ::2] * size).clamp(0, size - 1), (boxes[..., 1::2] * size)
    low, high = torch.minimum(low, high.round()), torch.maximum(high, low.round())
    cells = torch.arange(size, device=boxes.device)
    inside = (cells >= low[..., None]) & (cells <= high[..., None])  # ..., (x, y), size
    return (inside[..., 1, :, None] & inside[..., 0, None, :]).float()


def eyes_mask(boxes: Tensor, size: int) -> Tensor:
    """Masks (..., size, size) of either eye, from boxes (..., 2, 4)."""
    return box_mask(boxes, size).amax(dim=-3)


def mean_inside(error: Tensor, mask: Tensor) -> Tensor:
    """Mean of `error` (B, C, ...) inside each sample's mask (B, 1, ...), then over samples."""
    inside = (error.mean(1, keepdim=True) * mask).flatten(1).sum(1)
    return (inside / mask.flatten(1).sum(1).clamp(min=1)).mean()
