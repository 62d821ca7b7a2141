"""How wrong a prediction is inside boxes, as `dawn.training.boxes` makes them."""

import torch
from torch import Tensor


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
