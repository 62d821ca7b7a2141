"""Linear attention over a frame's pixels, straight from the fused projection."""

import triton
import triton.language as tl


@triton.jit
def linear_attention(
    qkv,
    out,
    pixels,
    heads,
    scale,
    WIDTH: tl.constexpr,
    PIXELS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One frame, one head: keys' softmax over pixels, queries' softmax over features.

    `qkv` (frames, pixels, 3, heads, WIDTH), `out` (frames, pixels, heads, WIDTH).
    """
    head = tl.program_id(0) % heads
    frame = tl.program_id(0) // heads
    feature = tl.arange(0, WIDTH)
    inner = heads * WIDTH
    first = frame.to(tl.int64) * pixels
    columns = head * WIDTH + feature[None, :]
    best = tl.full((WIDTH,), -1e30, tl.float32)
    total = tl.zeros((WIDTH,), tl.float32)
    summary = tl.zeros((WIDTH, WIDTH), tl.float32)
    for begin in range(0, pixels, PIXELS):
        pixel = begin + tl.arange(0, PIXELS)
        known = (pixel < pixels)[:, None]
        place = qkv + (first + pixel)[:, None] * 3 * inner + columns
        k = tl.load(place + inner, mask=known, other=0.0).to(tl.float32)
        v = tl.load(place + 2 * inner, mask=known, other=0.0)
        k = tl.where(known, k, -1e30)
        now = tl.maximum(best, tl.max(k, 0))
        weights = tl.exp(k - now[None, :])
        fading = tl.exp(best - now)
        total = total * fading + tl.sum(weights, 0)
        summary = summary * fading[:, None]
        summary += tl.dot(tl.trans(weights.to(v.dtype)), v, input_precision=PRECISION)
        best = now
    summary = (summary * (scale / total)[:, None]).to(qkv.dtype.element_ty)
    for begin in range(0, pixels, PIXELS):
        pixel = begin + tl.arange(0, PIXELS)
        known = (pixel < pixels)[:, None]
        place = (first + pixel)[:, None]
        q = tl.load(qkv + place * 3 * inner + columns, mask=known, other=0.0).to(tl.float32)
        q = tl.exp(q - tl.max(q, 1)[:, None])
        q = q / tl.sum(q, 1)[:, None]
        mixed = tl.dot(q.to(qkv.dtype.element_ty), summary, input_precision=PRECISION)
        tl.store(out + place * inner + columns, mixed.to(out.dtype.element_ty), mask=known)
