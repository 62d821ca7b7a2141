"""How audio, pose and eyes enter: each pixel attends to its frame's condition (DAWN §3.3).

A pixel's query meets two keys only, a learned null key and the frame's condition, so softmax is
one sigmoid gate per head and the attended value is v_null + gate * (v_cond - v_null). Projected
out, that is a combination of 9 rows a frame (8 heads' differences and the constant): the layer
norm behind it needs only the rows' 9 x 9 products, and the three conditions together become one
matrix product with 27 columns. The values are those of the plain formula; see the tests.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.a2v.frames import EPSILON, chunked
from dawn.a2v.kernels import fused

HEADS = 8
HEAD_DIM = 8
LOGIT_SCALE = 8.0
TINY = 1e-24
"""Below this a query's squared length counts as zero: its direction has no meaning."""


class GainNorm(nn.Module):
    """The gain `g` (C,) of a layer norm without bias; `conditions_of` applies it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(channels))


class ConditionAttention(nn.Module):
    """The weights of one cross-attention, from `inputs` to `outputs` channels."""

    def __init__(self, inputs: int, outputs: int, context_dim: int) -> None:
        super().__init__()
        inner = HEADS * HEAD_DIM
        self.norm = GainNorm(inputs)
        self.null_kv = nn.Parameter(torch.randn(2, HEAD_DIM))
        self.to_q = nn.Linear(inputs, inner, bias=False)
        self.to_kv = nn.Linear(context_dim, 2 * inner, bias=False)
        self.q_scale = nn.Parameter(torch.ones(HEAD_DIM))
        self.k_scale = nn.Parameter(torch.ones(HEAD_DIM))
        self.to_out = nn.Sequential(nn.Linear(inner, outputs, bias=False), GainNorm(outputs))

    def directions_and_rows(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """What a frame's `context` (B, T, context_dim) makes of the weights.

        Returns the direction that a unit query is compared with, (B, T, head, dim), and the
        centred output rows (B, T, 9, outputs): one a head, then the constant.
        """
        k, v = self.to_kv(context).unflatten(-1, (2, HEADS, HEAD_DIM)).unbind(-3)
        null_k, null_v = self.null_kv
        difference = F.normalize(k, dim=-1) - F.normalize(null_k, dim=-1)
        direction = LOGIT_SCALE * self.q_scale * self.k_scale * difference
        project = self.get_parameter("to_out.0.weight").unflatten(
            1, (HEADS, HEAD_DIM)
        )  # outputs, head, dim
        heads = torch.einsum("bthd,ohd->btho", v - null_v, project)
        constant = torch.einsum("d,ohd->o", null_v, project).expand_as(heads[..., :1, :])
        rows = torch.cat((heads, constant), dim=-2)
        return direction, rows - rows.mean(-1, keepdim=True)


class Conditions(NamedTuple):
    """What n cross-attentions make of a clip's contexts; it holds for all denoising steps.

    All but `queries` are at least float32: bfloat16 would blur gates and variances.
    """

    queries: Tensor
    """(n * 64, inputs): from normalised pixels to queries."""
    directions: Tensor
    """(B, T, n, head, dim): what a unit query is compared with."""
    products: Tensor
    """(B, T, n, 9, 9): mean products of the output rows."""
    rows: Tensor
    """(B, T, n, 9, outputs): output rows times the gain of the norm behind them."""


def conditions_of(attentions: list[ConditionAttention], contexts: list[Tensor]) -> Conditions:
    """What `attentions` make of their contexts, (B, T, context_dim) each."""
    prepared = [
        attention.directions_and_rows(context)
        for attention, context in zip(attentions, contexts, strict=True)
    ]
    wide = torch.promote_types(contexts[0].dtype, torch.float32)
    rows = torch.stack([rows for _, rows in prepared], 2).to(wide)
    gains = torch.stack([attention.get_parameter("to_out.1.g") for attention in attentions])
    products = rows @ rows.transpose(-1, -2) / rows.shape[-1]
    return Conditions(
        queries=torch.cat([one.to_q.weight * one.norm.g for one in attentions]),
        directions=torch.stack([direction for direction, _ in prepared], 2).to(wide),
        products=products,
        rows=rows * gains.unsqueeze(1),
    )


def attend_to_conditions(x: Tensor, conditions: Conditions) -> Tensor:
    """The sum of the cross-attentions of pixels `x` (B, T, H, W, inputs) to their contexts.

    Returns (B, T, H, W, outputs).
    """
    queries, *of_frames = conditions

    def combine(x: Tensor, directions: Tensor, products: Tensor, rows: Tensor) -> Tensor:
        q = F.linear(F.layer_norm(x, x.shape[-1:], eps=EPSILON), queries).to(rows.dtype)
        return gate_and_mix(q, directions, products, rows).to(x.dtype)

    pixels = x.flatten(2, 3)
    width = queries.shape[0] * x.shape[0] * pixels.shape[2]
    out = chunked(combine, 1, width, pixels, *of_frames)
    return out.view(*x.shape[:-1], -1)


def gate_and_mix(q: Tensor, directions: Tensor, products: Tensor, rows: Tensor) -> Tensor:
    """Gate, normalise and add up the output rows of n attentions, (B, T, P, outputs).

    Queries (B, T, P, n * 64); the others as in `Conditions`.
    """
    # sums over a head's features, as products with block-diagonal matrices
    heads = torch.eye(directions[0, 0, ..., 0].numel(), device=q.device, dtype=q.dtype)
    sums = heads.repeat_interleave(HEAD_DIM, dim=0)  # (n head dim), (n head)
    lengths = (q.square() @ sums).clamp(min=TINY).sqrt()
    similar = q @ (directions.flatten(2).unsqueeze(-1) * sums)
    gates = (similar / lengths).sigmoid().unflatten(-1, (-1, HEADS))
    gates = F.pad(gates, (0, 1), value=1.0)  # B T P n 9
    variance = torch.einsum("btpmi,btmij,btpmj->btpm", gates, products, gates)
    gates = gates * torch.rsqrt(variance.clamp(min=0) + EPSILON).unsqueeze(-1)
    mixed: Tensor = gates.flatten(-2) @ rows.flatten(2, 3)
    return mixed


def add_to_activated(x: Tensor, conditions: Conditions, hidden: Tensor, affine: Tensor) -> Tensor:
    """`attend_to_conditions` plus SiLU(hidden * factor + added), by a fused kernel.

    `affine` (B, 2, outputs). The result takes the place of `hidden` (B, T, H, W, outputs).
    """
    kernels = fused(x)
    normed = kernels.channel_norm(x, None, EPSILON).flatten(2, 3)
    result: Tensor = kernels.with_conditions(
        F.linear(normed, conditions.queries), *conditions[1:],
        hidden.flatten(2, 3), affine, EPSILON, TINY,
    )  # fmt: skip
    return result.view_as(hidden)
