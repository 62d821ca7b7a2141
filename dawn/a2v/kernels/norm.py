"""Norms: moments of a clip's channels, what group norm makes of them, and layer norm.

Tensors are rows (R, C) of contiguous channels; a clip is `rows` of them. Sums are float32.
"""

import triton
import triton.language as tl


@triton.jit
def channel_moments(x, partial, rows, channels, ROWS: tl.constexpr, C: tl.constexpr):
    """Mean and squared deviations of each channel over ROWS rows, of clip 1, block 0.

    Writes (clip, block, 2, channels).
    """
    block, clip = tl.program_id(0), tl.program_id(1)
    row = block * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, C)
    inside = (row < rows)[:, None] & (column < channels)[None, :]
    place = (clip.to(tl.int64) * rows + row)[:, None] * channels + column[None, :]
    values = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    count = tl.minimum(rows - block * ROWS, ROWS).to(tl.float32)
    mean = tl.sum(values, 0) / count
    apart = tl.where(inside, values - mean[None, :], 0.0)
    to = partial + (clip * tl.num_programs(0) + block) * 2 * channels + column
    tl.store(to, mean, mask=column < channels)
    tl.store(to + channels, tl.sum(apart * apart, 0), mask=column < channels)


@triton.jit
def group_affine(
    partial,
    bias,
    gain,
    offset,
    scale_shift,
    scale_shift_stride,
    affine,
    rows,
    blocks,
    channels,
    epsilon,
    ROWS: tl.constexpr,
    BLOCKS: tl.constexpr,
    GROUP: tl.constexpr,
    PADDED: tl.constexpr,
    BIASED: tl.constexpr,
    MODULATED: tl.constexpr,
):
    """From moments to what group norm multiplies and adds, (clip, 2, channels) float32.

    `bias` is what a convolution still has to add to each channel; `scale_shift` (clip, 2,
    channels), clips so far apart, modulates behind the norm. One program for a group of GROUP
    channels of a clip.
    """
    group, clip = tl.program_id(0), tl.program_id(1)
    within = tl.arange(0, PADDED)
    column = group * GROUP + within
    real = within < GROUP
    extra = tl.zeros((PADDED,), tl.float32)
    if BIASED:
        extra = tl.load(bias + column, mask=real, other=0.0).to(tl.float32)
    first = partial + clip * blocks * 2 * channels
    sums = tl.zeros((BLOCKS, PADDED), tl.float32)
    for begin in range(0, blocks, BLOCKS):
        block = begin + tl.arange(0, BLOCKS)
        count = tl.minimum(rows - block * ROWS, ROWS).to(tl.float32)
        inside = (block < blocks)[:, None] & real[None, :]
        place = block[:, None] * 2 * channels + column[None, :]
        mean = tl.load(first + place, mask=inside, other=0.0) + extra[None, :]
        sums += tl.where(inside, mean * count[:, None], 0.0)
    total = rows * GROUP
    centre = tl.sum(tl.sum(sums, 0), 0) / total
    squares = tl.zeros((BLOCKS, PADDED), tl.float32)
    for begin in range(0, blocks, BLOCKS):
        block = begin + tl.arange(0, BLOCKS)
        count = tl.minimum(rows - block * ROWS, ROWS).to(tl.float32)
        inside = (block < blocks)[:, None] & real[None, :]
        place = block[:, None] * 2 * channels + column[None, :]
        mean = tl.load(first + place, mask=inside, other=0.0) + extra[None, :]
        within_block = tl.load(first + place + channels, mask=inside, other=0.0)
        apart = mean - centre
        squares += tl.where(inside, within_block + count[:, None] * apart * apart, 0.0)
    variance = tl.sum(tl.sum(squares, 0), 0) / total
    factor = tl.load(gain + column, mask=real, other=0.0).to(tl.float32)
    factor = factor / tl.sqrt(variance + epsilon)
    added = tl.load(offset + column, mask=real, other=0.0).to(tl.float32)
    added += (extra - centre) * factor
    if MODULATED:
        modulation = scale_shift + clip * scale_shift_stride + column
        scale = 1.0 + tl.load(modulation, mask=real, other=0.0).to(tl.float32)
        shift = tl.load(modulation + channels, mask=real, other=0.0).to(tl.float32)
        factor, added = factor * scale, added * scale + shift
    to = affine + clip * 2 * channels + column
    tl.store(to, factor, mask=real)
    tl.store(to + channels, added, mask=real)


@triton.jit
def affine_silu(
    x, affine, skip, out, rows, channels, ROWS: tl.constexpr, C: tl.constexpr, ADDS: tl.constexpr
):
    """SiLU of `x` times and plus a clip's `affine`, then plus `skip`."""
    block, clip = tl.program_id(0), tl.program_id(1)
    row = block * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, C)
    real = column < channels
    inside = (row < rows)[:, None] & real[None, :]
    place = (clip.to(tl.int64) * rows + row)[:, None] * channels + column[None, :]
    factor = tl.load(affine + clip * 2 * channels + column, mask=real, other=0.0)
    added = tl.load(affine + clip * 2 * channels + channels + column, mask=real, other=0.0)
    values = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    values = values * factor[None, :] + added[None, :]
    values = values * tl.sigmoid(values)
    if ADDS:
        values += tl.load(skip + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + place, values.to(out.dtype.element_ty), mask=inside)


@triton.jit
def row_norm(
    x, gain, out, rows, channels, epsilon, ROWS: tl.constexpr, C: tl.constexpr, GAIN: tl.constexpr
):
    """Layer norm over channels, with a gain or without."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, C)
    real = column < channels
    inside = (row < rows)[:, None] & real[None, :]
    place = row.to(tl.int64)[:, None] * channels + column[None, :]
    values = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(values, 1) / channels
    apart = tl.where(inside, values - mean[:, None], 0.0)
    variance = tl.sum(apart * apart, 1) / channels
    apart = apart / tl.sqrt(variance + epsilon)[:, None]
    if GAIN:
        apart *= tl.load(gain + column, mask=real, other=0.0).to(tl.float32)[None, :]
    tl.store(out + place, apart.to(out.dtype.element_ty), mask=inside)
