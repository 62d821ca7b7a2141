"""The pose and blink network: a variational auto-encoder whose latent is per frame (DAWN §3.4)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dawn.pbnet.config import PBNetConfig
from dawn.pbnet.decoder import Decoder
from dawn.pbnet.encoder import Encoder, sinusoidal_table


class Sequences(NamedTuple):
    """What training compares: changes (B, T, D), and mean and log variance (T, B, latent_dim)."""

    changes: Tensor
    mean: Tensor
    log_variance: Tensor


class PBNet(nn.Module):
    """Changes of head pose and eye openness, relative to the first frame, from audio.

    States are normalised pose, then eyes, (B, T, D); audio is (B, T, audio_dim).
    """

    def __init__(self, config: PBNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    @staticmethod
    def tables(config: PBNetConfig) -> dict[str, Tensor]:
        """What of the state the settings give: most of a small network's bytes."""
        widths = {"encoder": config.encoder_width, "decoder": config.width}
        return {
            f"{part}.sequence_pos_encoder.pe": sinusoidal_table(config.max_frames, width)
            for part, width in widths.items()
        }

    def forward(
        self,
        states: Tensor,
        audio: Tensor,
        valid: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Sequences:
        """Encode, draw the latent, decode over all frames: the training pass.

        `valid` (B, T) is true on frames that exist; changes are zero on the others.
        """
        mean, log_variance = self.encoder(states, audio, valid)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        latent = mean + noise * (log_variance / 2).exp()
        changes = self.decoder(states[:, 0], audio, latent)
        if valid is not None:
            changes = changes * valid[..., None]
        return Sequences(changes, mean, log_variance)

    @torch.inference_mode()
    def sample(
        self, first: Tensor, audio: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Changes (B, T, D) after `first` (B, D), in one pass, for a latent drawn anew."""
        shape = (audio.shape[1], len(audio), self.config.latent_dim)
        latent = torch.randn(shape, generator=generator, device=audio.device, dtype=audio.dtype)
        changes: Tensor = self.decoder(first, audio, latent, self.config.window)
        return changes
