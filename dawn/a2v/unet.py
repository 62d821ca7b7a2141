"""The 3D U-Net that predicts the noise in latent motion (DAWN §3.3, Fig. 3).

Space is treated frame by frame; time is mixed by temporal attention alone, after the first
convolution and at every level. Parameter names are those of the official release.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from dawn.a2v.attention import (
    Residual,
    SpatialAttention,
    SpatialLinearAttention,
    TemporalAttention,
)
from dawn.a2v.blocks import ResBlock, TimeEmbedding
from dawn.a2v.config import MOTION_CHANNELS, UNetConfig
from dawn.a2v.frames import FrameConv, FrameUpsample
from dawn.attention import RelativeBias


class Level(nn.ModuleList):
    """One resolution: two residual blocks, attention over pixels, over frames, and a resize."""

    def __init__(self, inputs: int, outputs: int, config: UNetConfig, resize: nn.Module) -> None:
        linear = SpatialLinearAttention(outputs, config.heads, config.head_dim)
        super().__init__(
            [
                ResBlock(inputs, outputs, config, conditional=True),
                ResBlock(outputs, outputs, config, conditional=True),
                Residual(outputs, linear, wrapped=False),
                temporal_layer(outputs, config),
                resize,
            ]
        )

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        conditions: tuple[Tensor, ...],
        temporal: tuple[RelativeBias, int | None],
    ) -> Tensor:
        """(B, T, H, W, inputs) to outputs, before the resize."""
        block1, block2, over_pixels, over_time, _ = self
        x = block2(block1(x, time, conditions), time, conditions)
        result: Tensor = over_time(over_pixels(x), *temporal)
        return result

    def resize(self, x: Tensor) -> Tensor:
        """To the next resolution, or unchanged at the last level."""
        resized: Tensor = self[4](x)
        return resized


class UNet(nn.Module):
    """Noise prediction from noisy motion, still features and per-frame conditions."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        widths = [dim, *(dim * factor for factor in config.dim_mults)]
        pairs = list(pairwise(widths))
        self.time_rel_pos_bias = RelativeBias(
            config.heads, config.relative_buckets, config.relative_distance
        )
        self.init_conv = FrameConv(MOTION_CHANNELS + config.feature_channels, dim, 7)
        self.init_temporal_attn = temporal_layer(dim, config)
        self.time_mlp = nn.Sequential(
            TimeEmbedding(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, 4 * dim)
        )
        last = len(pairs) - 1
        self.downs = nn.ModuleList(
            Level(
                inputs,
                outputs,
                config,
                FrameConv(outputs, outputs, 4, stride=2) if i < last else nn.Identity(),
            )
            for i, (inputs, outputs) in enumerate(pairs)
        )
        self.ups = nn.ModuleList(
            Level(2 * outputs, inputs, config, FrameUpsample(inputs) if i < last else nn.Identity())
            for i, (inputs, outputs) in enumerate(reversed(pairs))
        )
        deepest = widths[-1]
        self.mid_block1 = ResBlock(deepest, deepest, config, conditional=True)
        self.mid_spatial_attn = Residual(
            deepest, SpatialAttention(deepest, config.heads, config.head_dim), wrapped=True
        )
        self.mid_temporal_attn = temporal_layer(deepest, config)
        self.mid_block2 = ResBlock(deepest, deepest, config, conditional=True)
        self.final_conv = self._head(2)
        self.occlusion_map = self._head(1)

    def forward(
        self, z: Tensor, features: Tensor, cond: Tensor, times: Tensor, window: int | None = None
    ) -> Tensor:
        """The noise in `z` (B, 3, T, h, w), same shape.

        `features` (B, C, h, w) is the source feature and the face-mask feature, one for all
        frames, or (B, C, T, h, w); see also `embed_features`. `cond` is (B, T, cond_dim), zeros
        where it is dropped; `times` (B,). `window` limits attention to so many frames each way.
        """
        return self.denoise(z, self.embed_features(features), cond, times, window)

    def embed_features(self, features: Tensor) -> Tensor:
        """The first convolution's share of the features, (B, T or 1, h, w, dim).

        It does not change from frame to frame nor from step to step, so sampling does it once.
        """
        if features.ndim == 4:
            features = features.unsqueeze(2)
        still = channels_last(features).to(self.init_conv.weight.dtype)
        return self.init_conv.partial(still, slice(MOTION_CHANNELS, None), self.init_conv.bias)

    def denoise(
        self, z: Tensor, embedded: Tensor, cond: Tensor, times: Tensor, window: int | None
    ) -> Tensor:
        """`forward` with the features already embedded."""
        dtype = self.init_conv.weight.dtype
        config = self.config
        sizes = (config.audio_dim, config.pose_dim, config.eye_dim)
        audio, pose, eyes = cond.to(dtype).split(sizes, dim=-1)
        conditions = (audio, pose, eyes / config.eye_unit)
        embedding, *layers = self.time_mlp
        time = embedding(times).to(dtype)
        for layer in layers:
            time = layer(time)
        temporal = (self.time_rel_pos_bias, window)

        motion = channels_last(z).to(dtype)
        x = self.init_conv.partial(motion, slice(MOTION_CHANNELS), None) + embedded
        first = x
        x = self.init_temporal_attn(x, *temporal)
        skips = []
        for level in levels(self.downs):
            x = level(x, time, conditions, temporal)
            skips.append(x)
            x = level.resize(x)
        x = self.mid_block1(x, time, conditions)
        x = self.mid_temporal_attn(self.mid_spatial_attn(x), *temporal)
        x = self.mid_block2(x, time, conditions)
        for level in levels(self.ups):
            x = torch.cat((x, skips.pop()), dim=-1)
            x = level.resize(level(x, time, conditions, temporal))
        x = torch.cat((x, first), dim=-1)
        out = torch.cat((self.final_conv(x), self.occlusion_map(x)), dim=-1)
        return out.permute(0, 4, 1, 2, 3).to(z.dtype).contiguous()

    def _head(self, channels: int) -> nn.Sequential:
        dim = self.config.dim
        block = ResBlock(2 * dim, dim, self.config, conditional=False)
        return nn.Sequential(block, FrameConv(dim, channels, 1))


def temporal_layer(channels: int, config: UNetConfig) -> Residual:
    """Attention over frames with its norm and skip."""
    attention = TemporalAttention(channels, config.heads, config.head_dim)
    return Residual(channels, attention, wrapped=True)


def levels(modules: nn.ModuleList) -> Iterator[Level]:
    """The levels of a module list, typed."""
    return cast("Iterator[Level]", iter(modules))


def channels_last(x: Tensor) -> Tensor:
    """(B, C, T, H, W) to contiguous (B, T, H, W, C)."""
    return x.permute(0, 2, 3, 4, 1).contiguous()
