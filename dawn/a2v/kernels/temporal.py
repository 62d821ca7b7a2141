"""Attention of each pixel over frames within a band, straight from the fused projection."""

import triton
import triton.language as tl


@triton.jit
def rotated(x, cosine, sine, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Interleaved pairs of `x` (ROWS, WIDTH) turned by angles (ROWS, WIDTH / 2), float32."""
    even, odd = tl.split(tl.reshape(x.to(tl.float32), (ROWS, WIDTH // 2, 2)))
    return tl.reshape(
        tl.join(even * cosine - odd * sine, odd * cosine + even * sine), (ROWS, WIDTH)
    )


@triton.jit
def banded_attention(
    qkv,
    cosines,
    sines,
    band,
    out,
    frames,
    pixels,
    heads,
    window,
    band_width,
    scale,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One pixel, one head, QUERIES frames: softmax over the keys at most `window` away.

    `qkv` (clip, frames, pixels, 3, heads, WIDTH); `cosines`, `sines` (frames, WIDTH / 2);
    `band` (heads, QUERIES, band_width): the bias of query q and key start - window + column.
    `out` (clip, frames, pixels, heads, WIDTH).
    """
    head = tl.program_id(0) % heads
    place = tl.program_id(0) // heads  # (clip, pixel)
    clip, pixel = place // pixels, place % pixels
    start = tl.program_id(1) * QUERIES
    feature = tl.arange(0, WIDTH)
    half = tl.arange(0, WIDTH // 2)
    number = tl.arange(0, QUERIES)
    query = start + number
    asked = query < frames
    inner = heads * WIDTH
    first = clip.to(tl.int64) * frames * pixels + pixel  # the token of frame 0
    token = (first + query.to(tl.int64) * pixels)[:, None]
    columns = head * WIDTH + feature[None, :]
    q = tl.load(qkv + token * 3 * inner + columns, mask=asked[:, None], other=0.0)
    turns = query[:, None] * (WIDTH // 2) + half[None, :]
    cosine = tl.load(cosines + turns, mask=asked[:, None], other=0.0)
    sine = tl.load(sines + turns, mask=asked[:, None], other=0.0)
    q = (rotated(q, cosine, sine, WIDTH, QUERIES) * scale).to(qkv.dtype.element_ty)
    best = tl.full((QUERIES,), -1e30, tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    mixed = tl.zeros((QUERIES, WIDTH), tl.float32)
    for begin in range(0, band_width, KEYS):
        column = begin + tl.arange(0, KEYS)
        key = start - window + column
        known = (key >= 0) & (key < frames)
        near = qkv + (first + key.to(tl.int64) * pixels)[:, None] * 3 * inner + columns
        k = tl.load(near + inner, mask=known[:, None], other=0.0)
        v = tl.load(near + 2 * inner, mask=known[:, None], other=0.0)
        turned = key[:, None] * (WIDTH // 2) + half[None, :]
        key_cosine = tl.load(cosines + turned, mask=known[:, None], other=0.0)
        key_sine = tl.load(sines + turned, mask=known[:, None], other=0.0)
        k = rotated(k, key_cosine, key_sine, WIDTH, KEYS).to(qkv.dtype.element_ty)
        scores = tl.dot(q, tl.trans(k), input_precision=PRECISION)
        bias = band + (head * QUERIES + number)[:, None] * band_width + column[None, :]
        scores = tl.where(known[None, :], scores + tl.load(bias), -1e30)
        now = tl.maximum(best, tl.max(scores, 1))
        weights = tl.exp(scores - now[:, None])
        fading = tl.exp(best - now)
        total = total * fading + tl.sum(weights, 1)
        mixed = mixed * fading[:, None]
        mixed += tl.dot(weights.to(v.dtype), v, input_precision=PRECISION)
        best = now
    mixed = mixed / total[:, None]
    tl.store(out + token * inner + columns, mixed.to(out.dtype.element_ty), mask=asked[:, None])
