"""Attention over frames: rotary positions, relative bias, and a band whose cost is linear.

The audio-to-video network's temporal layers and PBNet's decoder share these (DAWN, §3.3-3.4,
arXiv 2410.13726). Queries and keys are rotated (RoPE, Su et al. 2021), a T5 bias that depends
only on the distance key - query is added, and at inference each frame sees only the frames at
most `window` away. Legend: N anything batched, H heads, T frames, D head width.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OUTSIDE = -1e8
"""What the band adds to a score; the softmax makes it zero, and a row is never all infinite."""

QUERY_BLOCK = {"cpu": 32}
"""Frames whose queries are answered together, by device. Each block reads block + 2 * window keys:
small ones compute less outside the band, large ones are fewer launches."""

OTHER_QUERY_BLOCK = 64

ALIGNED = 8
"""Fused attention kernels read biases in vectors: rows lie a multiple of so many elements apart."""


class Rotary(nn.Module):
    """Rotates interleaved pairs of the first features by frame index x `freqs` (dims / 2,).

    The frequencies are state, as in official state dicts. They stay float32 when the network is
    cast to a narrower type: bfloat16 would blur the positions.
    """

    freqs: Tensor

    def __init__(self, dims: int) -> None:
        super().__init__()
        exponents = torch.arange(0, dims, 2, dtype=torch.float32) / dims
        self.register_buffer("freqs", 10000.0**-exponents)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Rotary":
        exact = self.freqs
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if not exact.is_meta:
            self.freqs = exact.to(self.freqs.device)
        return self

    def angles(self, frames: int, dtype: torch.dtype) -> Tensor:
        """(frames, dims / 2), at least float32 where `dtype` is narrower."""
        wide = torch.promote_types(dtype, torch.float32)
        return torch.arange(frames, device=self.freqs.device)[:, None] * self.freqs.to(wide)

    def forward(self, x: Tensor, frame_axis: int) -> Tensor:
        """Rotate `x` (..., D), whose frames lie along `frame_axis`; same shape and dtype."""
        return rotate(x, turns_of(self.angles(x.shape[frame_axis], x.dtype)), frame_axis)


def turns_of(angles: Tensor) -> Tensor:
    """The complex numbers of length 1 at these angles."""
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x: Tensor, turns: Tensor, frame_axis: int) -> Tensor:
    """Turn pairs of the first features of `x` (..., D) by `turns` (T, dims / 2); same shape."""
    frames, half = turns.shape
    shape = [1] * (x.ndim - 1) + [half]
    shape[frame_axis] = frames
    pairs = x[..., : 2 * half].to(turns.real.dtype).unflatten(-1, (-1, 2))
    turned = torch.view_as_complex(pairs) * turns.view(shape)
    turned = torch.view_as_real(turned).flatten(-2).to(x.dtype)
    return torch.cat((turned, x[..., 2 * half :]), dim=-1) if 2 * half < x.shape[-1] else turned


class RelativeBias(nn.Module):
    """T5's learned bias by distance, one value per head and bucket of distances."""

    def __init__(self, heads: int, buckets: int, max_distance: int) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.relative_attention_bias = nn.Embedding(buckets, heads)

    def forward(self, reach: int, window: int | None = None) -> Tensor:
        """(H, 2 * reach + 1): the bias at key - query = -reach … reach, banded by `window`."""
        table = self.relative_attention_bias
        offsets = torch.arange(-reach, reach + 1, device=table.weight.device)
        buckets = relative_bucket(-offsets, table.num_embeddings, self.max_distance)
        bias: Tensor = table(buckets).T
        if window is not None:
            bias = bias.masked_fill(offsets.abs() > window, OUTSIDE)
        return bias


def relative_bucket(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
    """T5's bidirectional bucket of `distance` = query - key: near exactly, far by logarithm."""
    half = buckets // 2
    exact = half // 2
    far = distance.abs().clamp(min=1).float() / exact
    far = exact + (far.log() / math.log(max_distance / exact) * (half - exact)).long()
    near = distance.abs()
    bucket = torch.where(near < exact, near, far.clamp(max=half - 1))
    return bucket + half * (distance < 0)


class BiasBlock(NamedTuple):
    """Queries start … stop - 1 against keys first … last - 1, and their bias (1, H, ·, ·)."""

    start: int
    stop: int
    first: int
    last: int
    bias: Tensor


def bias_blocks(
    relative: RelativeBias, frames: int, window: int | None, dtype: torch.dtype
) -> list[BiasBlock]:
    """The biases of a band over so many frames, block by block; without a window one block.

    Blocks that lie alike share a tensor.
    """
    if window is None or window >= frames - 1:
        by_distance = relative(frames - 1).to(dtype)
        return [BiasBlock(0, frames, 0, frames, _aligned(by_distance, 0, frames, 0, frames))]
    size = QUERY_BLOCK.get(relative.relative_attention_bias.weight.device.type, OTHER_QUERY_BLOCK)
    by_distance = relative(window + size - 1, window).to(dtype)
    blocks, made = [], dict[tuple[int, int, int], Tensor]()
    for start in range(0, frames, size):
        stop = min(start + size, frames)
        first, last = max(0, start - window), min(frames, stop + window)
        lie = (stop - start, start - first, last - first)
        if lie not in made:
            made[lie] = _aligned(by_distance, start, stop, first, last)
        blocks.append(BiasBlock(start, stop, first, last, made[lie]))
    return blocks


def attend(
    q: Tensor, k: Tensor, v: Tensor, relative: RelativeBias, window: int | None = None
) -> Tensor:
    """Softmax attention over frames, (N, H, T, D) each; queries and keys share one time axis.

    With a `window`, frame t attends to t - window … t + window only: equal to full attention
    under a band mask, but time and memory grow with T, not with T².
    """
    return attend_in_blocks(q, k, v, bias_blocks(relative, q.shape[-2], window, q.dtype))


def attend_in_blocks(q: Tensor, k: Tensor, v: Tensor, blocks: list[BiasBlock]) -> Tensor:
    """`attend` with the biases made beforehand."""
    parts = [
        F.scaled_dot_product_attention(
            q[..., start:stop, :],
            k[..., first:last, :],
            v[..., first:last, :],
            attn_mask=bias.to(q.dtype).expand(len(q), -1, -1, -1),
        )
        for start, stop, first, last, bias in blocks
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2)


def _aligned(by_distance: Tensor, start: int, stop: int, first: int, last: int) -> Tensor:
    """`toeplitz` (1, H, ·, ·) in rows that fused attention can read; see `ALIGNED`."""
    bias = toeplitz(by_distance, start, stop, first, last)
    keys = last - first
    rows = F.pad(bias, (0, -keys % ALIGNED)).contiguous()
    return rows[None, ..., :keys]


def toeplitz(by_distance: Tensor, start: int, stop: int, first: int, last: int) -> Tensor:
    """The bias (H, stop - start, last - first) of queries start… against keys first… .

    Row q is the slice of `by_distance` (H, 2R + 1) that begins at first - q + R, so the matrix
    is a stack of overlapping slices in reverse order.
    """
    reach = by_distance.shape[-1] // 2
    begin = first - (stop - 1) + reach
    needed = by_distance[:, begin : begin + (last - first) + (stop - start) - 1]
    return needed.unfold(-1, last - first, 1).flip(1)
