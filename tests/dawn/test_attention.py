"""Attention over frames: the band against the masked whole, positions, buckets."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn import attention
from dawn.attention import OUTSIDE, RelativeBias, Rotary, attend, relative_bucket


def masked_full(q, k, v, relative, window):
    """The plain formula, with the whole T x T matrix."""
    frames = q.shape[-2]
    offsets = torch.arange(frames)[None, :] - torch.arange(frames)[:, None]  # key - query
    table = relative.relative_attention_bias
    bias = table(relative_bucket(-offsets, table.num_embeddings, relative.max_distance))
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias.permute(2, 0, 1)
    if window is not None:
        scores = scores + OUTSIDE * (offsets.abs() > window)
    return scores.softmax(-1) @ v


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(1, 150),
    window=st.none() | st.integers(1, 160),
    block=st.integers(1, 70),
    seed=st.integers(0, 99),
)
def test_band_equals_masked_full_attention(frames, window, block, seed):
    torch.manual_seed(seed)
    relative = RelativeBias(2, 32, 32).double()
    q, k, v = torch.randn(3, 3, 2, frames, 4, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setitem(attention.QUERY_BLOCK, "cpu", block)
        banded = attend(q, k, v, relative, window)
    assert torch.allclose(banded, masked_full(q, k, v, relative, window), atol=1e-12)


def test_band_gives_the_same_gradients():
    relative = RelativeBias(2, 32, 32).double()
    inputs = torch.randn(3, 3, 2, 100, 4, dtype=torch.float64).requires_grad_()
    weights = torch.randn(3, 2, 100, 4, dtype=torch.float64)
    leaves = (inputs, relative.relative_attention_bias.weight)
    gradients = [
        torch.autograd.grad((function(*inputs, relative, 9) * weights).sum(), leaves)
        for function in (attend, masked_full)
    ]
    for ours, plain in zip(*gradients, strict=True):
        assert torch.allclose(ours, plain, atol=1e-10)


def test_no_call_sees_more_keys_than_block_and_band(monkeypatch):
    seen = []

    def record(q, k, v, attn_mask):
        seen.append((q.shape[-2], k.shape[-2], attn_mask.numel()))
        return v[..., : q.shape[-2], :]

    monkeypatch.setattr(F, "scaled_dot_product_attention", record)
    q = torch.zeros(1, 2, 1000, 4)
    with torch.no_grad():
        attend(q, q, q, RelativeBias(2, 32, 32), 40)
    assert sum(queries for queries, _, _ in seen) == 1000
    assert max(keys for _, keys, _ in seen) <= attention.QUERY_BLOCK["cpu"] + 80


def test_bucket_follows_the_published_formula():
    def bucket(distance: int) -> int:
        base, distance = (16, -distance) if distance < 0 else (0, distance)
        if distance < 8:
            return base + distance
        return base + min(15, 8 + int(math.log(distance / 8) / math.log(32 / 8) * 8 + 1e-6))

    distances = torch.arange(-70, 71)
    expected = torch.tensor([bucket(int(d)) for d in distances])
    assert torch.equal(relative_bucket(distances, 32, 32), expected)


def test_rotation_makes_scores_depend_on_distance_only():
    rotary = Rotary(8)
    q, k = torch.randn(2, 1, 8, dtype=torch.float64).expand(2, 30, 8).unbind(0)
    scores = rotary(q, 0) @ rotary(k, 0).T
    for offset in (-7, 0, 3):
        diagonal = scores.diagonal(offset)
        assert torch.allclose(diagonal, diagonal[:1].expand_as(diagonal))
    assert not torch.allclose(scores[0], scores[0, :1].expand_as(scores[0]))


def test_rotation_leaves_further_features_alone():
    x = torch.randn(5, 8)
    turned = Rotary(4)(x, 0)
    assert torch.equal(turned[:, 4:], x[:, 4:])
    assert torch.equal(turned[0], x[0])
    assert not torch.allclose(turned[1:, :4], x[1:, :4])


def test_frequencies_stay_exact_in_a_narrow_network():
    exact = Rotary(32).freqs.clone()
    narrow = torch.nn.Sequential(Rotary(32)).to(torch.bfloat16)[0]
    assert narrow.freqs.dtype == torch.float32
    assert torch.equal(narrow.freqs, exact)
