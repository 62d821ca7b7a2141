"""Each pixel's attention to its frame's conditions, added behind a modulated group norm."""

import triton
import triton.language as tl

HEADS = tl.constexpr(8)
HEAD_DIM = tl.constexpr(8)


@triton.jit
def add_conditions(
    q,
    directions,
    products,
    rows,
    hidden,
    affine,
    out,
    frames,
    pixels,
    channels,
    epsilon,
    tiny,
    ATTENTIONS: tl.constexpr,
    GROUPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """PIXELS of a frame: SiLU(hidden * affine) plus the mixed rows of all attentions.

    `q` (clip * frame, pixel, ATTENTIONS, HEADS, HEAD_DIM) queries; of each frame: `directions`
    like a query, `products` (ATTENTIONS, HEADS + 1, HEADS + 1) and `rows` (ATTENTIONS,
    HEADS + 1, channels), see `dawn.a2v.conditioning`. `hidden` and `out` (clip * frame, pixel,
    channels), `affine` (clip, 2, channels). GROUPS is ATTENTIONS, padded to a power of two; a
    slot is a head of an attention.
    """
    SLOTS: tl.constexpr = GROUPS * HEADS
    WHOLE: tl.constexpr = SLOTS * HEAD_DIM
    WIDTH: tl.constexpr = ATTENTIONS * HEADS * HEAD_DIM
    SIDE: tl.constexpr = HEADS + 1
    block, frame = tl.program_id(0), tl.program_id(1)
    wide = frame.to(tl.int64)
    pixel = block * PIXELS + tl.arange(0, PIXELS)
    known = (pixel < pixels)[:, None]
    slot = tl.arange(0, SLOTS)
    group = tl.arange(0, GROUPS)
    feature = tl.arange(0, WHOLE)
    real = feature < WIDTH
    asked = tl.load(
        q + (wide * pixels + pixel)[:, None] * WIDTH + feature[None, :],
        mask=known & real[None, :],
        other=0.0,
    ).to(tl.float32)
    towards = tl.load(directions + wide * WIDTH + feature, mask=real, other=0.0)
    lengths = tl.sum(tl.reshape(asked * asked, (PIXELS, SLOTS, HEAD_DIM)), 2)
    similar = tl.sum(tl.reshape(asked * towards[None, :], (PIXELS, SLOTS, HEAD_DIM)), 2)
    gates = tl.sigmoid(similar / tl.sqrt(tl.maximum(lengths, tiny)))
    first = products + wide * ATTENTIONS * SIDE * SIDE
    own, head = slot // HEADS, slot % HEADS
    line = first + own * SIDE * SIDE + head * SIDE
    same = (own[:, None] == own[None, :]) & (own < ATTENTIONS)[:, None]
    pairs = tl.load(line[:, None] + head[None, :], mask=same, other=0.0)
    form = tl.dot(gates, pairs, input_precision="ieee")
    form += 2 * tl.load(line + HEADS, mask=own < ATTENTIONS, other=0.0)[None, :]
    form = tl.sum(tl.reshape(gates * form, (PIXELS, GROUPS, HEADS)), 2)
    last = first + group * SIDE * SIDE + SIDE * SIDE - 1
    variance = form + tl.load(last, mask=group < ATTENTIONS, other=0.0)[None, :]
    shrink = 1.0 / tl.sqrt(tl.maximum(variance, 0.0) + epsilon)  # PIXELS, GROUPS
    weights = tl.reshape(gates, (PIXELS, GROUPS, HEADS)) * shrink[:, :, None]
    weights = tl.reshape(weights, (PIXELS, SLOTS))
    clip = frame // frames
    for begin in range(0, channels, CHANNELS):
        column = begin + tl.arange(0, CHANNELS)
        there = column < channels
        inside = known & there[None, :]
        place = (wide * pixels + pixel)[:, None] * channels + column[None, :]
        table = rows + wide * ATTENTIONS * SIDE * channels + column
        heads = tl.load(
            table[None, :] + (own * SIDE + head)[:, None] * channels,
            mask=(own < ATTENTIONS)[:, None] & there[None, :],
            other=0.0,
        )
        mixed = tl.dot(weights, heads, input_precision=PRECISION)
        for number in tl.static_range(ATTENTIONS):
            share = tl.sum(tl.where(group[None, :] == number, shrink, 0.0), 1)
            row = tl.load(table + (number * SIDE + HEADS) * channels, mask=there, other=0.0)
            mixed += share[:, None] * row[None, :]
        factor = tl.load(affine + clip * 2 * channels + column, mask=there, other=0.0)
        added = tl.load(affine + (clip * 2 + 1) * channels + column, mask=there, other=0.0)
        values = tl.load(hidden + place, mask=inside, other=0.0).to(tl.float32)
        values = values * factor[None, :] + added[None, :]
        values = values * tl.sigmoid(values) + mixed
        tl.store(out + place, values.to(out.dtype.element_ty), mask=inside)
