"""The generator: encodes a source picture and renders it under a flow and an occlusion map."""

import torch
from torch import Tensor, nn

from dawn.lfg.blocks import DownBlock, ResBlock, SameBlock, UpBlock, resize_to, warp
from dawn.lfg.config import LFGConfig
from dawn.lfg.flow import FlowPredictor


class Generator(nn.Module):
    """Encoder and decoder with warped skips (DAWN §3.2); owns the flow predictor, as officially."""

    def __init__(self, config: LFGConfig) -> None:
        super().__init__()
        downs, deepest = config.num_down_blocks, config.width(config.num_down_blocks)
        self.pixelwise_flow_predictor = FlowPredictor(config)
        self.first = SameBlock(config.image_channels, config.width(0), kernel=7)
        self.down_blocks = nn.ModuleList(
            DownBlock(config.width(i), config.width(i + 1)) for i in range(downs)
        )
        self.up_blocks = nn.ModuleList(
            UpBlock(config.width(i + 1), config.width(i)) for i in reversed(range(downs))
        )
        self.bottleneck = nn.Sequential()
        for i in range(config.num_bottleneck_blocks):
            self.bottleneck.add_module(f"r{i}", ResBlock(deepest))
        self.final = nn.Conv2d(config.width(0), config.image_channels, 7, padding=3)

    def encode(self, source: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to feature maps from H to H / 4; the last is what diffusion sees."""
        levels = [self.first(source)]
        for block in self.down_blocks:
            levels.append(block(levels[-1]))
        return levels

    def decode(
        self, source: Tensor, levels: list[Tensor], flow: Tensor, occlusion: Tensor
    ) -> Tensor:
        """Render (B, 3, H, W) in 0 … 1 from `source`, its `encode` levels, a flow (B, h, w, 2)
        and an occlusion map (B, 1, h, w). What is occluded is painted, the rest warped.
        """

        def blend(hidden: Tensor, skip: Tensor) -> Tensor:
            visible = resize_to(occlusion, skip).to(skip.dtype)
            return warp(skip, flow) * visible + hidden * (1 - visible)

        deepest = levels[-1]
        visible = resize_to(occlusion, deepest).to(deepest.dtype)
        hidden = self.bottleneck(warp(deepest, flow) * visible)
        for block, skip in zip(self.up_blocks, reversed(levels[1:]), strict=True):
            hidden = block(blend(hidden, skip))
        painted = torch.sigmoid(self.final(blend(hidden, levels[0])).to(source.dtype))
        return blend(painted, source)
