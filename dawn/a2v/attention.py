"""The U-Net's self-attentions: of each pixel over frames, and of each frame over its pixels.

They take (B, T, P, C) with a frame's P = H x W pixels in rows. Fused projections are in the
order q, k, v and heads are split as (head, dim) (DAWN §3.3).
"""

from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from dawn.a2v.frames import ChannelNorm, chunked
from dawn.a2v.kernels import fused
from dawn.attention import (
    BiasBlock,
    RelativeBias,
    Rotary,
    attend_in_blocks,
    bias_blocks,
    rotate,
    turns_of,
)

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

    @property
    def attention(self) -> Any:  # noqa: ANN401 - one of the classes below
        """Whatever attends."""
        return self.fn["fn"]["fn"] if self.wrapped else self.fn["fn"]  # type: ignore[index]

    def forward(self, x: Tensor, *context: object) -> Tensor:
        """(B, T, H, W, C), same shape; `context` goes to the attention.

        Fused kernels write the result into `x`.
        """
        attention, norm = self.attention, self.fn["norm"]
        if fused(x):
            return attention.added_to(x, norm(x), *context)

        def update(part: Tensor) -> Tensor:
            result: Tensor = part + attention(norm(part), *context)
            return result

        rows = x.flatten(2, 3)
        axis = attention.independent_axis
        width = rows.numel() // rows.shape[-1] // rows.shape[axis] * attention.width
        return chunked(update, axis, width, rows).view_as(x)


class Frames(NamedTuple):
    """What attention over frames needs beside them; it holds for all denoising steps."""

    window: int
    turns: Tensor
    """(T, dims / 2) complex: how far pairs of features are turned."""
    blocks: list[BiasBlock]
    """For the plain formula."""
    fused: tuple[Tensor, Tensor, Tensor] | None
    """For the fused kernel: its band, and cosines and sines (T, D / 2)."""


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

    def prepare(self, relative: RelativeBias, frames: int, window: int | None) -> Frames:
        """What `forward` needs for so many frames: a band of `window` to each side, or all."""
        weight = self.to_qkv.weight
        angles = self.rotary_emb.angles(frames, weight.dtype)
        reach = frames - 1 if window is None else min(window, frames - 1)
        kernels, dim = fused(weight), self.width // (3 * self.heads)
        if kernels is None or not kernels.takes_width(dim):
            blocks = bias_blocks(relative, frames, window, weight.dtype)
            return Frames(reach, turns_of(angles), blocks, None)
        padded = F.pad(angles, (0, dim // 2 - angles.shape[1]))  # the rest is not turned
        band = kernels.band_of(relative(reach + kernels.QUERIES - 1, reach).float(), reach)
        return Frames(reach, turns_of(angles), [], (band, padded.cos(), padded.sin()))

    def forward(self, x: Tensor, frames: Frames) -> Tensor:
        """(B, T, P, C), same shape."""
        clips = x.transpose(1, 2).flatten(0, 1)  # (B P) T C: a pixel's frames become neighbours
        qkv = self.to_qkv(clips).unflatten(-1, (3, self.heads, -1))
        q, k = rotate(qkv[:, :, :2], frames.turns, frame_axis=1).unbind(2)
        q, k, v = (part.transpose(1, 2) for part in (q, k, qkv[:, :, 2]))  # (B P) head T dim
        out = attend_in_blocks(q, k, v, frames.blocks).transpose(1, 2).flatten(-2)
        result: Tensor = self.to_out(out).unflatten(0, (x.shape[0], -1)).transpose(1, 2)
        return result

    def added_to(self, x: Tensor, normed: Tensor, frames: Frames) -> Tensor:
        """`x` (B, T, H, W, C) plus `forward` of `normed`, in the place of `x`."""
        if frames.fused is None:
            return x.add_(self(normed.flatten(2, 3), frames).view_as(x))
        qkv = self.to_qkv(normed.flatten(2, 3))
        out = fused(x).attend_over_frames(qkv, self.heads, *frames.fused, frames.window)
        return add_projected(x, out, self.to_out.weight)


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

    def added_to(self, x: Tensor, normed: Tensor) -> Tensor:
        """`x` (B, T, H, W, C) plus `forward` of `normed`, in the place of `x`."""
        kernels, normed = fused(x), normed.flatten(2, 3)
        if not kernels.takes_width(self.width // (3 * self.heads)):
            return x.add_(self(normed).view_as(x))
        qkv = F.linear(normed, self.to_qkv.weight.flatten(1))
        out = kernels.attend_over_pixels(qkv, self.heads)
        added = add_projected(x, out, self.to_out.weight.flatten(1))
        return added if self.to_out.bias is None else added.add_(self.to_out.bias)


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

    def added_to(self, x: Tensor, normed: Tensor) -> Tensor:
        """`x` (B, T, H, W, C) plus `forward` of `normed`, in the place of `x`."""
        return x.add_(self(normed.flatten(2, 3)).view_as(x))


def add_projected(x: Tensor, out: Tensor, weight: Tensor) -> Tensor:
    """`x` (B, T, H, W, C) plus `out` (B, T, P, inner) @ `weight` (C, inner)ᵀ, in its place."""
    x.view(-1, x.shape[-1]).addmm_(out.flatten(0, 2), weight.T)
    return x
