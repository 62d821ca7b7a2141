"""The latent flow generator as one module, and rendering of whole clips."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dawn.lfg.blocks import warp
from dawn.lfg.config import LFGConfig
from dawn.lfg.generator import Generator
from dawn.lfg.regions import BackgroundMotion, RegionPredictor, Regions


class Motion(NamedTuple):
    """What moved between two images, and the regions and background motion that say so.

    flow (B, h, w, 2) is an absolute sampling grid in -1 … 1; occlusion (B, 1, h, w) in 0 … 1.
    """

    flow: Tensor
    occlusion: Tensor
    source_regions: Regions
    driving_regions: Regions
    background: Tensor


class Reconstruction(NamedTuple):
    """The driving image from the source: rendered, merely warped, and why.

    prediction and deformed (B, 3, H, W); features (B, C, H / 4, W / 4) of the source.
    """

    prediction: Tensor
    deformed: Tensor
    features: Tensor
    motion: Motion


class LFG(nn.Module):
    """Self-supervised flow auto-encoder (DAWN §3.2). Images are (B, 3, H, W), RGB in 0 … 1."""

    def __init__(self, config: LFGConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.region_predictor = RegionPredictor(config)
        self.bg_predictor = BackgroundMotion(config)

    def forward(self, source: Tensor, driving: Tensor) -> Reconstruction:
        """Reconstruct `driving` from `source`."""
        motion = self.motion(source, driving)
        levels = self.generator.encode(source)
        prediction = self.generator.decode(source, levels, motion.flow, motion.occlusion)
        return Reconstruction(prediction, warp(source, motion.flow), levels[-1], motion)

    def motion(
        self, source: Tensor, driving: Tensor, source_regions: Regions | None = None
    ) -> Motion:
        """Flow and occlusion that turn `source` into `driving`: the diffusion's targets.

        `source_regions`, where they are known already, save finding them once more.
        """
        source_regions = source_regions or self.region_predictor(source)
        driving_regions = self.region_predictor(driving)
        background = self.bg_predictor(source, driving)
        flow, occlusion = self.generator.pixelwise_flow_predictor(
            source, source_regions, driving_regions, background
        )
        return Motion(flow, occlusion, source_regions, driving_regions, background)

    def features(self, source: Tensor) -> Tensor:
        """The source feature (B, C, H / 4, W / 4) that the diffusion is conditioned on."""
        return self.generator.encode(source)[-1]

    def render(self, source: Tensor, flow: Tensor, occlusion: Tensor) -> Tensor:
        """One image a source: flow (B, h, w, 2) and occlusion (B, 1, h, w) to (B, 3, H, W)."""
        return self.generator.decode(source, self.generator.encode(source), flow, occlusion)

    @torch.inference_mode()
    def render_clip(
        self, source: Tensor, flow: Tensor, occlusion: Tensor, *, chunk_frames: int = 16
    ) -> Tensor:
        """A clip (T, 3, H, W) of one `source` (3, H, W): encoded once, rendered in batches.

        `flow` is (T, h, w, 2), `occlusion` (T, 1, h, w). Memory grows with `chunk_frames`, the
        result does not depend on it. The module must be in eval mode, or batches would mix.
        """
        if self.training:
            raise ValueError("render_clip needs eval mode: call .eval() first")
        levels = self.generator.encode(source[None])
        clip = source.new_empty(len(flow), *source.shape)
        for start in range(0, len(flow), chunk_frames):
            part = slice(start, min(start + chunk_frames, len(flow)))
            count = part.stop - start
            repeated = [level.expand(count, -1, -1, -1) for level in levels]
            clip[part] = self.generator.decode(
                source.expand(count, -1, -1, -1), repeated, flow[part], occlusion[part]
            )
        return clip
