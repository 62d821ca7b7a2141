"""PBNet's decoder: from a first state, audio and a latent to changes of state (DAWN §3.4)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.attention import RelativeBias, Rotary, attend
from dawn.pbnet.config import PBNetConfig
from dawn.pbnet.encoder import SinusoidalPositions

EPSILON = 1e-5


class SelfAttention(nn.Module):
    """Attention among frames, (B, T, width)."""

    def __init__(self, config: PBNetConfig) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self.heads = config.heads
        self.rotary_emb = Rotary(config.rotary_dims)
        self.to_qkv = nn.Linear(config.width, 3 * inner, bias=False)
        self.to_out = nn.Linear(inner, config.width, bias=False)

    def forward(self, x: Tensor, relative: RelativeBias, window: int | None) -> Tensor:
        """Same shape; a band of `window` frames to each side, or all frames."""
        q, k, v = (split_heads(part, self.heads) for part in self.to_qkv(x).chunk(3, dim=-1))
        out = attend(self.rotary_emb(q, 2), self.rotary_emb(k, 2), v, relative, window)
        result: Tensor = self.to_out(out.transpose(1, 2).flatten(2))
        return result


class CrossAttention(nn.Module):
    """Attention of frames to memory on the same time axis, (B, T, width) each."""

    def __init__(self, config: PBNetConfig) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self.heads = config.heads
        self.rotary_emb = Rotary(config.rotary_dims)
        self.to_q = nn.Linear(config.width, inner, bias=False)
        self.to_k = nn.Linear(config.width, inner, bias=False)
        self.to_v = nn.Linear(config.width, inner, bias=False)
        self.to_out = nn.Linear(inner, config.width, bias=False)

    def forward(
        self, x: Tensor, memory: Tensor, relative: RelativeBias, window: int | None
    ) -> Tensor:
        """Same shape as `x`; positions turn queries and keys alike."""
        q = self.rotary_emb(split_heads(self.to_q(x), self.heads), 2)
        k = self.rotary_emb(split_heads(self.to_k(memory), self.heads), 2)
        out = attend(q, k, split_heads(self.to_v(memory), self.heads), relative, window)
        result: Tensor = self.to_out(out.transpose(1, 2).flatten(2))
        return result


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, heads * dim) to (B, heads, T, dim)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, config: PBNetConfig) -> None:
        super().__init__()
        self.linear1 = nn.Linear(config.width, config.feedforward)
        self.linear2 = nn.Linear(config.feedforward, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, width), same shape."""
        result: Tensor = self.linear2(F.gelu(self.linear1(x)))
        return result


class DecoderLayer(nn.Module):
    """Post-norm: self-attention, cross-attention, feed-forward; dropout on the branches."""

    def __init__(self, config: PBNetConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config)
        self.multihead_attn = CrossAttention(config)
        self.ffn = FeedForward(config)
        self.layer_norm1 = nn.LayerNorm(config.width)
        self.layer_norm2 = nn.LayerNorm(config.width)
        self.layer_norm3 = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        own: RelativeBias,
        cross: RelativeBias,
        window: int | None,
    ) -> Tensor:
        """(B, T, width), same shape."""
        x = self.layer_norm1(x + self.dropout(self.self_attn(x, own, window)))
        x = self.layer_norm2(x + self.dropout(self.multihead_attn(x, memory, cross, window)))
        result: Tensor = self.layer_norm3(x + self.dropout(self.ffn(x)))
        return result


class GainNorm(nn.Module):
    """Layer norm with a gain `gamma` (1, 1, width) and no bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width), same shape."""
        return F.layer_norm(x, x.shape[-1:], self.gamma.flatten(), eps=EPSILON)


class Decoder(nn.Module):
    """All frames at once from one constant query: time enters by rotation and relative bias."""

    def __init__(self, config: PBNetConfig) -> None:
        super().__init__()
        self.width = config.width
        self.firstposeEmbedding = nn.Linear(config.state_dim, config.width)
        self.audioEmbedding = nn.Linear(config.audio_dim, config.latent_dim)
        self.ztimelinear = nn.Linear(config.width + 2 * config.latent_dim, config.width)
        self.init_proj = nn.Linear(config.width, config.width)
        # never read: the release carries the table, so a strict load needs it
        self.sequence_pos_encoder = SinusoidalPositions(
            config.width, config.max_frames, config.dropout
        )
        buckets, distance = config.relative_buckets, config.relative_distance
        self.time_rel_pos_bias_tgt = RelativeBias(config.heads, buckets, distance)
        self.time_rel_pos_bias_mem = RelativeBias(config.heads, buckets, distance)
        attention = nn.ModuleDict({"norm": GainNorm(config.width), "fn": SelfAttention(config)})
        self.init_temporal_attn = nn.ModuleDict({"fn": attention})
        layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.seqTransDecoder = nn.ModuleDict({"decoder_layers": layers})
        self.finallayer = nn.Linear(config.width, config.state_dim)

    def forward(
        self, first: Tensor, audio: Tensor, latent: Tensor, window: int | None = None
    ) -> Tensor:
        """First state (B, D), audio (B, T, A) and latent (T, B, latent_dim) to changes (B, T, D).

        `window` limits attention to so many frames each way, as the release does at inference.
        """
        frames = audio.shape[1]
        start = self.firstposeEmbedding(first)[:, None].expand(-1, frames, -1)
        parts = (start, latent.transpose(0, 1), self.audioEmbedding(audio))
        memory = self.ztimelinear(torch.cat(parts, dim=-1))
        own, cross = self.time_rel_pos_bias_tgt, self.time_rel_pos_bias_mem
        x = self.init_proj(torch.zeros_like(memory))
        initial = self.init_temporal_attn["fn"]
        x = x + initial["fn"](initial["norm"](x), own, window)  # type: ignore[index]
        for layer in self.seqTransDecoder["decoder_layers"]:  # type: ignore[attr-defined]
            x = layer(x, memory, own, cross, window)
        changes: Tensor = self.finallayer(x)
        return changes
