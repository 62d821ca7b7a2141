"""PBNet's encoder: from a driven sequence of states to the latent's distribution (DAWN §3.4).

Used in training only. Sequences are frames first, (T, B, ·).
"""

import math

import torch
from torch import Tensor, nn

from dawn.pbnet.config import PBNetConfig


class SinusoidalPositions(nn.Module):
    """Adds the fixed sine and cosine table `pe` (max_frames, 1, width), then drops out."""

    pe: Tensor

    def __init__(self, width: int, max_frames: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pe", sinusoidal_table(max_frames, width))

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, width), same shape."""
        out: Tensor = self.dropout(x + self.pe[: len(x)])
        return out


def sinusoidal_table(frames: int, width: int) -> Tensor:
    """(frames, 1, width): sines in even features, cosines in odd ones (Vaswani et al. 2017)."""
    positions = torch.arange(frames, dtype=torch.float32)[:, None]
    speeds = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
    table = torch.zeros(frames, 1, width)
    table[:, 0, 0::2] = torch.sin(positions * speeds)
    table[:, 0, 1::2] = torch.cos(positions * speeds)
    return table


class Encoder(nn.Module):
    """A post-norm transformer over all frames; mean and log variance a frame."""

    def __init__(self, config: PBNetConfig) -> None:
        super().__init__()
        self.poseEmbedding = nn.Linear(config.state_dim, config.width)
        self.firstposeEmbedding = nn.Linear(config.state_dim, config.width)
        self.audioEmbedding = nn.Linear(config.audio_dim, config.latent_dim)
        self.sequence_pos_encoder = SinusoidalPositions(
            config.encoder_width, config.max_frames, config.dropout
        )
        layer = nn.TransformerEncoderLayer(
            config.encoder_width,
            config.heads,
            config.feedforward,
            config.dropout,
            activation="gelu",
        )
        self.seqTransEncoder = nn.TransformerEncoder(
            layer, config.layers, enable_nested_tensor=False
        )
        self.mu_layer = nn.Linear(config.encoder_width, config.latent_dim)
        self.sigma_layer = nn.Linear(config.encoder_width, config.latent_dim)

    def forward(
        self, states: Tensor, audio: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """States (B, T, D) and audio (B, T, A) to mean and log variance (T, B, latent_dim).

        `valid` (B, T) is true on frames that exist; the others are not attended to.
        """
        first = self.firstposeEmbedding(states[:, :1]).expand(-1, states.shape[1], -1)
        change = self.poseEmbedding(states - states[:, :1])
        tokens = torch.cat((first, change, self.audioEmbedding(audio)), dim=-1).transpose(0, 1)
        hidden = self.seqTransEncoder(
            self.sequence_pos_encoder(tokens),
            src_key_padding_mask=None if valid is None else ~valid,
        )
        return self.mu_layer(hidden), self.sigma_layer(hidden)
