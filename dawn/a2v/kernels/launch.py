"""What the kernels compute, on tensors: sizes, blocks and launches."""

import torch
import triton
from torch import Tensor

from dawn.a2v.kernels.conditions import add_conditions
from dawn.a2v.kernels.norm import affine_silu, channel_moments, group_affine, row_norm
from dawn.a2v.kernels.spatial import linear_attention
from dawn.a2v.kernels.temporal import banded_attention

TILE = 8192
"""Elements that one program of a norm holds."""

QUERIES = 64
KEYS = 32

BELOW_ANY = -1e30
"""Bias of a column that no key has."""


def group_affine_of(
    x: Tensor, groups: int, gain: Tensor, offset: Tensor, epsilon: float,
    bias: Tensor | None, scale_shift: Tensor | None,
) -> Tensor:  # fmt: skip
    """What group norm over a clip multiplies and adds, (B, 2, C) float32, for `x` (B, …, C).

    `bias` (C,) is what still has to be added to `x`; `scale_shift` (B, 2 * C) follows the norm.
    """
    clips, channels = len(x), x.shape[-1]
    rows = x[0].numel() // channels
    padded = triton.next_power_of_2(channels)
    step = max(1, TILE // padded)
    blocks = triton.cdiv(rows, step)
    partial = torch.empty(clips, blocks, 2, channels, device=x.device)
    channel_moments[(blocks, clips)](x, partial, rows, channels, ROWS=step, C=padded)
    affine = torch.empty(clips, 2, channels, device=x.device)
    group = channels // groups
    wide = triton.next_power_of_2(group)
    group_affine[(groups, clips)](
        partial,
        gain if bias is None else bias,
        gain,
        offset,
        gain if scale_shift is None else scale_shift,
        0 if scale_shift is None else scale_shift.stride(0),
        affine,
        rows,
        blocks,
        channels,
        epsilon,
        ROWS=step,
        BLOCKS=min(triton.next_power_of_2(blocks), max(16, TILE // wide)),
        GROUP=group,
        PADDED=wide,
        BIASED=bias is not None,
        MODULATED=scale_shift is not None,
    )
    return affine


def activated(x: Tensor, affine: Tensor, skip: Tensor | None) -> Tensor:
    """SiLU(x * factor + added) + skip, in the place of `x` (B, …, C); `affine` (B, 2, C)."""
    clips, channels = len(x), x.shape[-1]
    rows = x[0].numel() // channels
    padded = triton.next_power_of_2(channels)
    step = max(1, TILE // padded)
    affine_silu[(triton.cdiv(rows, step), clips)](
        x, affine, x if skip is None else skip, x, rows, channels,
        ROWS=step, C=padded, ADDS=skip is not None,
    )  # fmt: skip
    return x


def channel_norm(x: Tensor, gain: Tensor | None, epsilon: float) -> Tensor:
    """Layer norm over the last dimension of contiguous `x`."""
    channels = x.shape[-1]
    rows = x.numel() // channels
    padded = triton.next_power_of_2(channels)
    step = max(1, TILE // padded)
    out = torch.empty_like(x)
    row_norm[(triton.cdiv(rows, step),)](
        x, x if gain is None else gain, out, rows, channels, epsilon,
        ROWS=step, C=padded, GAIN=gain is not None,
    )  # fmt: skip
    return out


def with_conditions(
    q: Tensor, directions: Tensor, products: Tensor, rows: Tensor,
    hidden: Tensor, affine: Tensor, epsilon: float, tiny: float,
) -> Tensor:  # fmt: skip
    """SiLU(hidden * factor + added) + the attention to conditions, in the place of `hidden`.

    `q` (B, T, P, n * 64), `directions` (B, T, n, 8, 8), `products` (B, T, n, 9, 9), `rows`
    (B, T, n, 9, C), `hidden` (B, T, P, C), `affine` (B, 2, C); all but `q` and `hidden` float32.
    """
    clips, frames, pixels, channels = hidden.shape
    attentions = directions.shape[2]
    block = 32
    add_conditions[(triton.cdiv(pixels, block), clips * frames)](
        q, directions, products, rows, hidden, affine, hidden,
        frames, pixels, channels, epsilon, tiny,
        ATTENTIONS=attentions, GROUPS=triton.next_power_of_2(attentions), PIXELS=block,
        CHANNELS=min(64, max(16, triton.next_power_of_2(channels))),
        PRECISION=_precision(hidden),
    )  # fmt: skip
    return hidden


def takes_width(width: int) -> bool:
    """Whether attention heads of so many features are computed."""
    return width >= 16 and width & (width - 1) == 0


def band_of(by_distance: Tensor, window: int) -> Tensor:
    """A block's bias (H, QUERIES, columns): column c is key start - window + c.

    `by_distance` (H, 2 * reach + 1) as `RelativeBias` gives it, the reach QUERIES - 1 + window.
    """
    columns = QUERIES + 2 * window
    reach = by_distance.shape[-1] // 2
    needed = by_distance[:, reach - window - QUERIES + 1 : reach + window + QUERIES]
    rows = needed.unfold(-1, columns, 1).flip(1)
    padded = triton.cdiv(columns, KEYS) * KEYS
    band = torch.full((len(by_distance), QUERIES, padded), BELOW_ANY, device=by_distance.device)
    band[..., :columns] = rows
    return band


def attend_over_frames(
    qkv: Tensor, heads: int, band: Tensor, cosines: Tensor, sines: Tensor, window: int
) -> Tensor:
    """(B, T, P, H * D) from the fused projection (B, T, P, 3 * H * D).

    `band` from `band_of`; `cosines` and `sines` (T, D / 2) turn pairs of features.
    """
    clips, frames, pixels, width = qkv.shape
    dim = width // (3 * heads)
    out = qkv.new_empty(clips, frames, pixels, heads * dim)
    banded_attention[(clips * pixels * heads, triton.cdiv(frames, QUERIES))](
        qkv, cosines, sines, band, out, frames, pixels, heads, window, band.shape[-1], dim**-0.5,
        WIDTH=dim, QUERIES=QUERIES, KEYS=KEYS, PRECISION=_precision(qkv),
    )  # fmt: skip
    return out


def attend_over_pixels(qkv: Tensor, heads: int) -> Tensor:
    """Linear attention, (B, T, P, H * D) from the fused projection (B, T, P, 3 * H * D)."""
    clips, frames, pixels, width = qkv.shape
    dim = width // (3 * heads)
    out = qkv.new_empty(clips, frames, pixels, heads * dim)
    linear_attention[(clips * frames * heads,)](
        qkv, out, pixels, heads, dim**-0.5,
        WIDTH=dim, PIXELS=min(128, max(16, triton.next_power_of_2(pixels))),
        PRECISION=_precision(qkv),
    )  # fmt: skip
    return out


def _precision(x: Tensor) -> str:
    """Of matrix products inside kernels: exact for float32, which is chosen for exactness."""
    return "ieee" if x.dtype == torch.float32 else "tf32"
