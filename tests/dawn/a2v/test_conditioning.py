"""The fused cross-attention against the formula it replaces."""

import torch
import torch.nn.functional as F

from dawn.a2v.conditioning import ConditionAttention, attend_to_conditions, conditions_of


def bias_free_norm(x, gain):
    centred = x - x.mean(-1, keepdim=True)
    return centred * torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5) * gain


def plain(x, attention, context):
    """Two keys a frame, softmax over them, projection, norm: (B, T, H, W, C) pixels."""
    q = attention.to_q(bias_free_norm(x, attention.norm.g)).unflatten(-1, (8, 8))
    k, v = attention.to_kv(context).chunk(2, dim=-1)
    null_k, null_v = attention.null_kv

    def keys(condition, null):
        heads = condition.unflatten(-1, (8, 8))
        return torch.stack((null.expand_as(heads), heads), dim=-2)  # B T head 2 dim

    q = F.normalize(q, dim=-1) * attention.q_scale
    k = F.normalize(keys(k, null_k), dim=-1) * attention.k_scale
    weights = (torch.einsum("btyxhd,bthkd->btyxhk", q, k) * 8).softmax(-1)
    out = torch.einsum("btyxhk,bthkd->btyxhd", weights, keys(v, null_v)).flatten(-2)
    return bias_free_norm(attention.to_out[0](out), attention.to_out[1].g)


def test_fused_equals_the_plain_formula():
    torch.manual_seed(0)
    attentions = [ConditionAttention(12, 20, 10).double() for _ in range(3)]
    for attention in attentions:
        for parameter in attention.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(2, 3, 4, 5, 12, dtype=torch.float64)
    contexts = list(torch.randn(3, 2, 3, 10, dtype=torch.float64))
    fused = attend_to_conditions(x, conditions_of(attentions, contexts))
    expected = sum(plain(x, a, c) for a, c in zip(attentions, contexts, strict=True))
    assert torch.allclose(fused, expected, atol=1e-10)


def test_frames_see_their_own_condition_only():
    torch.manual_seed(0)
    attentions = [ConditionAttention(12, 20, 10) for _ in range(3)]
    x, contexts = torch.randn(1, 3, 4, 4, 12), list(torch.randn(3, 1, 3, 10))
    before = attend_to_conditions(x, conditions_of(attentions, contexts))
    contexts[2] = contexts[2].clone()
    contexts[2][:, 1] += 1
    changed = (
        (attend_to_conditions(x, conditions_of(attentions, contexts)) - before)
        .abs()
        .amax((0, 2, 3, 4))
    )
    assert changed[1] > 1e-3
    assert changed[[0, 2]].max() == 0
