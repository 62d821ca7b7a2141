"""The 3D U-Net that predicts the noise in latent motion (DAWN §3.3, Fig. 3).

Space is treated frame by frame; time is mixed by temporal attention alone, after the first
convolution and at every level. Parameter names are those of the official release.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.a2v.attention import (
    Frames,
    Residual,
    SpatialAttention,
    SpatialLinearAttention,
    TemporalAttention,
)
from dawn.a2v.blocks import ResBlock, TimeEmbedding
from dawn.a2v.conditioning import Conditions
from dawn.a2v.config import MOTION_CHANNELS, UNetConfig
from dawn.a2v.frames import FrameConv, FrameUpsample
from dawn.a2v.kernels import fused
from dawn.attention import RelativeBias


@dataclass(frozen=True, slots=True)
class Prepared:
    """Of a clip's features, conditions and length: what holds for all denoising steps."""

    embedded: Tensor
    """(B, T or 1, h, w, dim): see `UNet.embed_features`."""
    conditions: dict[ResBlock, Conditions]
    frames: dict[TemporalAttention, Frames]
    time: tuple[Tensor, Tensor]
    """Weight and bias of all blocks' time layers, one upon the other."""

    def tensors(self) -> list[Tensor]:
        """All of them, in the order that a network of the same kind gives."""
        found = [self.embedded, *self.time]
        for conditions in self.conditions.values():
            found += conditions
        for frames in self.frames.values():
            found += [frames.turns, *(block.bias for block in frames.blocks)]
            found += frames.fused or ()
        return found


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

    def forward(self, x: Tensor, shifts: dict[ResBlock, Tensor], prepared: Prepared) -> Tensor:
        """(B, T, H, W, inputs) to outputs, before the resize; `shifts` as `UNet.time_shifts`."""
        for block in (cast("ResBlock", self[0]), cast("ResBlock", self[1])):
            x = block(x, shifts[block], prepared.conditions[block])
        over_pixels, over_time = cast("Residual", self[2]), cast("Residual", self[3])
        result: Tensor = over_time(over_pixels(x), prepared.frames[over_time.attention])
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
        return self.denoise(z, self.prepare(features, cond, window), times)

    def prepare(self, features: Tensor, cond: Tensor, window: int | None) -> Prepared:
        """What `denoise` needs beside motion and time; sampling does it once for all steps."""
        config, dtype = self.config, self.init_conv.weight.dtype
        sizes = (config.audio_dim, config.pose_dim, config.eye_dim)
        audio, pose, eyes = cond.to(dtype).split(sizes, dim=-1)
        conditions = (audio, pose, eyes / config.eye_unit)
        blocks = self._conditional_blocks()
        in_time = [cast("nn.Linear", block.time_mlp[1]) for block in blocks]
        layers = [m for m in self.modules() if isinstance(m, TemporalAttention)]
        relative, length = self.time_rel_pos_bias, cond.shape[1]
        return Prepared(
            embedded=self.embed_features(features),
            conditions={block: block.prepare(conditions) for block in blocks},
            frames={layer: layer.prepare(relative, length, window) for layer in layers},
            time=(
                torch.cat([layer.weight for layer in in_time]),
                torch.cat([layer.bias for layer in in_time]),
            ),
        )

    def embed_features(self, features: Tensor) -> Tensor:
        """The first convolution's share of the features, (B, T or 1, h, w, dim).

        It does not change from frame to frame nor from step to step.
        """
        if features.ndim == 4:
            features = features.unsqueeze(2)
        still = channels_last(features).to(self.init_conv.weight.dtype)
        return self.init_conv.partial(still, slice(MOTION_CHANNELS, None), self.init_conv.bias)

    def time_shifts(self, times: Tensor, prepared: Prepared) -> dict[ResBlock, Tensor]:
        """Scale and shift (B, 2 * outputs) of each conditional block at `times` (B,)."""
        embedding, *layers = self.time_mlp
        time = embedding(times).to(self.init_conv.weight.dtype)
        for layer in layers:
            time = layer(time)
        blocks = self._conditional_blocks()
        sizes = [cast("nn.Linear", block.time_mlp[1]).out_features for block in blocks]
        shifts = F.linear(F.silu(time), *prepared.time).split(sizes, dim=-1)
        return dict(zip(blocks, shifts, strict=True))

    def denoise(self, z: Tensor, prepared: Prepared, times: Tensor) -> Tensor:
        """`forward` with everything prepared that is the same at all times."""
        shifts = self.time_shifts(times, prepared)

        def block(layer: ResBlock, x: Tensor) -> Tensor:
            result: Tensor = layer(x, shifts[layer], prepared.conditions[layer])
            return result

        def over_time(layer: Residual, x: Tensor) -> Tensor:
            result: Tensor = layer(x, prepared.frames[layer.attention])
            return result

        motion = channels_last(z).to(self.init_conv.weight.dtype)
        first = self.init_conv.partial(motion, slice(MOTION_CHANNELS), None) + prepared.embedded
        # fused layers write into what they are given, and `first` is needed again
        x = over_time(self.init_temporal_attn, first.clone() if fused(first) else first)
        skips = []
        for level in levels(self.downs):
            x = level(x, shifts, prepared)
            skips.append(x)
            x = level.resize(x)
        x = block(self.mid_block1, x)
        x = over_time(self.mid_temporal_attn, self.mid_spatial_attn(x))
        x = block(self.mid_block2, x)
        for level in levels(self.ups):
            x = torch.cat((x, skips.pop()), dim=-1)
            x = level.resize(level(x, shifts, prepared))
        x = torch.cat((x, first), dim=-1)
        out = torch.cat((self.final_conv(x), self.occlusion_map(x)), dim=-1)
        return out.permute(0, 4, 1, 2, 3).to(z.dtype).contiguous()

    def _conditional_blocks(self) -> list[ResBlock]:
        return [m for m in self.modules() if isinstance(m, ResBlock) and m.conditional]

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
