"""Where the mouth is, and how wrong a prediction is there."""

import torch
from torch import Tensor


def mouth_mask(boxes: Tensor, size: int) -> Tensor:
    """Masks (T, size, size) of mouth boxes (T, 4), x_min, x_max, y_min, y_max as shares.

    A cell belongs when its number lies within the scaled bounds (FD1:238-255); all twenty mouth
    landmarks count (officially the last is lost). A box between two cells takes the nearer one.
    """
    low, high = (boxes[:, ::2] * size).clamp(0, size - 1), (boxes[:, 1::2] * size)
    low, high = torch.minimum(low, high.round()), torch.maximum(high, low.round())
    cells = torch.arange(size)
    inside = (cells >= low[..., None]) & (cells <= high[..., None])  # T, (x, y), size
    return (inside[:, 1, :, None] & inside[:, 0, None, :]).float()


def mean_inside(error: Tensor, mask: Tensor) -> Tensor:
    """Mean of `error` (B, C, ...) inside each sample's mask (B, 1, ...), then over samples."""
    inside = (error.mean(1, keepdim=True) * mask).flatten(1).sum(1)
    return (inside / mask.flatten(1).sum(1).clamp(min=1)).mean()
