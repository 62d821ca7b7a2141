"""The audio-to-video model: diffusion and face-mask encoder, one module to train and save."""

import torch
from torch import Tensor, nn

from dawn.a2v.config import A2VConfig
from dawn.a2v.diffusion import GaussianDiffusion
from dawn.a2v.face_mask import FaceMaskEncoder
from dawn.a2v.sampling import SamplerConfig, sample


class A2V(nn.Module):
    """From a source feature, a face mask and conditions a frame to latent motion."""

    def __init__(self, config: A2VConfig) -> None:
        super().__init__()
        self.config = config
        self.diffusion = GaussianDiffusion(config)
        self.face_mask_encoder = FaceMaskEncoder(config.unet.mask_channels)

    def features(self, source: Tensor, face_mask: Tensor) -> Tensor:
        """The still condition (B, C, h, w) from the generator's feature (B, ·, h, w) and the
        box mask (B, 1, 4h, 4w).
        """
        return torch.cat((source, self.face_mask_encoder(face_mask)), dim=1)

    @torch.inference_mode()
    def sample(
        self,
        source: Tensor,
        face_mask: Tensor,
        cond: Tensor,
        sampler: SamplerConfig,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Motion (B, 3, T, h, w): sampling grid x and y, and 2 * occlusion - 1.

        `cond` (B, T, cond_dim) is audio, pose minus first pose, eyes minus first eyes.
        """
        return sample(
            self.diffusion,
            self.features(source, face_mask),
            cond,
            sampler,
            window=self.config.window,
            generator=generator,
        )


def flow_and_occlusion(motion: Tensor) -> tuple[Tensor, Tensor]:
    """Motion (B, 3, T, h, w) as the generator takes it: (B, T, h, w, 2) and (B, T, 1, h, w)."""
    grid, occlusion = motion.split((2, 1), dim=1)
    return grid.permute(0, 2, 3, 4, 1), (occlusion.transpose(1, 2) + 1) / 2
