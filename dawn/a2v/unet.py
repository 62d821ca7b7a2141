"""The 3D U-Net that predicts the noise in latent motion (DAWN §3.3, Fig. 3).

Space is treated frame by frame; time is mixed by temporal attention alone, after the first
convolution and at every level. Parameter names are those of the official release.
"""

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


class UNet(nn.Module):
    """Noise prediction from noisy motion, still features and per-frame conditions."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        widths = [dim, *(dim * factor for factor in config.dim_mults)]
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.time_rel_pos_bias = RelativeBias(
            config.heads, config.relative_buckets, config.relative_distance
        )
        self.init_conv = FrameConv(MOTION_CHANNELS + config.feature_channels, dim, 7)
        self.init_temporal_attn = self._temporal(dim)
        self.time_mlp = nn.Sequential(
            TimeEmbedding(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, 4 * dim)
        )
        last = len(pairs) - 1
        self.downs = nn.ModuleList(
            self._level(
                inputs,
                outputs,
                FrameConv(outputs, outputs, 4, stride=2) if i < last else nn.Identity(),
            )
            for i, (inputs, outputs) in enumerate(pairs)
        )
        self.ups = nn.ModuleList(
            self._level(2 * outputs, inputs, FrameUpsample(inputs) if i < last else nn.Identity())
            for i, (inputs, outputs) in enumerate(reversed(pairs))
        )
        deepest = widths[-1]
        self.mid_block1 = ResBlock(deepest, deepest, config, conditional=True)
        self.mid_spatial_attn = Residual(
            deepest, SpatialAttention(deepest, config.heads, config.head_dim), wrapped=True
        )
        self.mid_temporal_attn = self._temporal(deepest)
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
        conditions = cond.to(dtype).split(sizes, dim=-1)
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
        for block1, block2, spatial, over_time, down in self.downs:  # type: ignore[misc]
            x = block2(block1(x, time, conditions), time, conditions)
            x = over_time(spatial(x), *temporal)
            skips.append(x)
            x = down(x)
        x = self.mid_block1(x, time, conditions)
        x = self.mid_temporal_attn(self.mid_spatial_attn(x), *temporal)
        x = self.mid_block2(x, time, conditions)
        for block1, block2, spatial, over_time, up in self.ups:  # type: ignore[misc]
            x = torch.cat((x, skips.pop()), dim=-1)
            x = block2(block1(x, time, conditions), time, conditions)
            x = up(over_time(spatial(x), *temporal))
        x = torch.cat((x, first), dim=-1)
        out = torch.cat((self.final_conv(x), self.occlusion_map(x)), dim=-1)
        return out.permute(0, 4, 1, 2, 3).to(z.dtype).contiguous()

    def _temporal(self, channels: int) -> Residual:
        attention = TemporalAttention(channels, self.config.heads, self.config.head_dim)
        return Residual(channels, attention, wrapped=True)

    def _level(self, inputs: int, outputs: int, resize: nn.Module) -> nn.ModuleList:
        linear = SpatialLinearAttention(outputs, self.config.heads, self.config.head_dim)
        return nn.ModuleList(
            [
                ResBlock(inputs, outputs, self.config, conditional=True),
                ResBlock(outputs, outputs, self.config, conditional=True),
                Residual(outputs, linear, wrapped=False),
                self._temporal(outputs),
                resize,
            ]
        )

    def _head(self, channels: int) -> nn.Sequential:
        dim = self.config.dim
        block = ResBlock(2 * dim, dim, self.config, conditional=False)
        return nn.Sequential(block, FrameConv(dim, channels, 1))


def channels_last(x: Tensor) -> Tensor:
    """(B, C, T, H, W) to contiguous (B, T, H, W, C)."""
    return x.permute(0, 2, 3, 4, 1).contiguous()
