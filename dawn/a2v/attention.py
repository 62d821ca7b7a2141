"""The U-Net's self-attentions: of each pixel over frames, and of each frame over its pixels.

They take (B, T, P, C) with a frame's P = H x W pixels in rows. Fused projections are in the
order q, k, v and heads are split as (head, dim) (DAWN §3.3).
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from dawn.a2v.frames import ChannelNorm, chunked
from dawn.attention import RelativeBias, Rotary, attend

FRAMES, PIXELS = 1, 2

MAX_ROTARY_DIMS = 32
"""Features of a head beyond these are not rotated."""


class Residual(nn.Module):
    """x + attention(norm(x)), registered under the official names `fn.norm` and `fn.fn[.fn]`.

    Without gradients it works through slices along the axis that the attention does not mix.
    """

    def __init__(self, channels: int, attention: nn.Module, *, wrapped: bool) -> None:
        super().__init__()
        self.wrapped = wrapped
        inner = nn.ModuleDict({"fn": attention}) if wrapped else attention
        self.fn = nn.ModuleDict({"fn": inner, "norm": ChannelNorm(channels)})

    def forward(self, x: Tensor, *context: object) -> Tensor:
        """(B, T, H, W, C), same shape; `context` goes to the attention."""
        attention: Any = self.fn["fn"]
        attention = attention["fn"] if self.wrapped else attention
        norm = self.fn["norm"]

        def update(part: Tensor) -> Tensor:
            result: Tensor = part + attention(norm(part), *context)
            return result

        rows = x.flatten(2, 3)
        axis = attention.independent_axis
        width = rows.numel() // rows.shape[-1] // rows.shape[axis] * attention.width
        return chunked(update, axis, width, rows).view_as(x)


class TemporalAttention(nn.Module):
    """Attention over frames, with rotary positions and the relative bias that all layers share."""

    independent_axis = PIXELS

    def __init__(self, channels: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = 3 * heads * head_dim
        self.rotary_emb = Rotary(min(MAX_ROTARY_DIMS, head_dim))
        self.to_qkv = nn.Linear(channels, self.width, bias=False)
        self.to_out = nn.Linear(heads * head_dim, channels, bias=False)

    def forward(self, x: Tensor, relative: RelativeBias, window: int | None) -> Tensor:
        """(B, T, P, C), same shape; a band of `window` frames to each side, or all frames."""
        clips = x.transpose(1, 2).flatten(0, 1)  # (B P) T C: a pixel's frames become neighbours
        qkv = self.to_qkv(clips).unflatten(-1, (3, self.heads, -1))
        q, k = self.rotary_emb(qkv[:, :, :2], frame_axis=1).unbind(2)
        q, k, v = (part.transpose(1, 2) for part in (q, k, qkv[:, :, 2]))  # (B P) head T dim
        out = attend(q, k, v, relative, window).transpose(1, 2).flatten(-2)
        result: Tensor = self.to_out(out).unflatten(0, (x.shape[0], -1)).transpose(1, 2)
        return result


class SpatialLinearAttention(nn.Module):
    """Linear attention over a frame's pixels (Shen et al. 2021): cost linear in pixels."""

    independent_axis = FRAMES

    def __init__(self, channels: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = 3 * heads * head_dim
        self.to_qkv = nn.Conv2d(channels, self.width, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_dim, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, P, C), same shape."""
        qkv = F.linear(x, self.to_qkv.weight.flatten(1)).unflatten(-1, (3, self.heads, -1))
        q, k, v = (part.transpose(-3, -2) for part in qkv.unbind(-3))  # B T head P dim
        q = q.softmax(-1) * q.shape[-1] ** -0.5
        summary = k.softmax(-2).transpose(-1, -2) @ v
        out = (q @ summary).transpose(-3, -2).flatten(-2)
        return F.linear(out, self.to_out.weight.flatten(1), self.to_out.bias)


class SpatialAttention(nn.Module):
    """Softmax attention over a frame's pixels, at the coarsest resolution."""

    independent_axis = FRAMES

    def __init__(self, channels: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = 3 * heads * head_dim
        self.to_qkv = nn.Linear(channels, self.width, bias=False)
        self.to_out = nn.Linear(heads * head_dim, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, P, C), same shape."""
        qkv = self.to_qkv(x).flatten(0, 1).unflatten(-1, (3, self.heads, -1))
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))  # (B T), head, P, dim
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
        result: Tensor = self.to_out(out.unflatten(0, x.shape[:2]))
        return result
