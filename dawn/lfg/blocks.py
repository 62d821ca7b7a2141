"""Convolution blocks and hourglasses that the generator's parts share, and image geometry.

Images and feature maps are (B, C, H, W). Grids hold x, y in -1 … 1 with the corners' centres at
the ends, while warping and resizing take the corners' edges there (`align_corners=False`): the
official code mixes the two, and its weights have learnt to live with it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.lfg.config import HourglassConfig


class SameBlock(nn.Module):
    """Convolution, batch norm, ReLU; keeps the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        return F.relu(self.norm(self.conv(x.to(self.conv.weight.dtype))))


class DownBlock(SameBlock):
    """A block, then 2 x 2 average pooling: halves the size."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / 2, W / 2)."""
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(SameBlock):
    """Nearest-neighbour doubling, then a block."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, 2H, 2W)."""
        return super().forward(F.interpolate(x, scale_factor=2.0))


class ResBlock(nn.Module):
    """Two norm-ReLU-convolutions around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), same shape."""
        hidden = self.conv1(F.relu(self.norm1(x)))
        result: Tensor = x + self.conv2(F.relu(self.norm2(hidden)))
        return result


class Encoder(nn.Module):
    """Down blocks; every level is kept for the decoder."""

    def __init__(self, inputs: int, config: HourglassConfig) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList(
            DownBlock(inputs if i == 0 else config.width(i), config.width(i + 1))
            for i in range(config.num_blocks)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, inputs, H, W) to the input and each level, finest first."""
        levels = [x]
        for block in self.down_blocks:
            levels.append(block(levels[-1]))
        return levels


class Decoder(nn.Module):
    """Up blocks, each followed by the encoder's level of the same size."""

    def __init__(self, config: HourglassConfig) -> None:
        super().__init__()
        deepest = config.num_blocks - 1
        self.up_blocks = nn.ModuleList(
            UpBlock(config.width(i + 1) * (1 if i == deepest else 2), config.width(i))
            for i in reversed(range(config.num_blocks))
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        """The encoder's levels to (B, width(0) + inputs, H, W)."""
        x = levels[-1]
        for block, skip in zip(self.up_blocks, reversed(levels[:-1]), strict=True):
            x = torch.cat((block(x), skip), dim=1)
        return x


class Hourglass(nn.Module):
    """Encoder and decoder."""

    def __init__(self, inputs: int, config: HourglassConfig) -> None:
        super().__init__()
        self.encoder = Encoder(inputs, config)
        self.decoder = Decoder(config)
        self.channels = config.width(0) + inputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, channels, H, W)."""
        out: Tensor = self.decoder(self.encoder(x))
        return out


class AntiAliasedDownsample(nn.Module):
    """Gaussian blur, then every (1 / scale)-th pixel. The kernel is state, as officially."""

    weight: Tensor

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.stride = round(1 / scale)
        sigma = (1 / scale - 1) / 2
        radius = round(sigma * 4)
        offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
        row = torch.exp(-(offsets**2) / (2 * sigma**2)) if sigma else torch.ones(1)
        kernel = row[:, None] * row
        self.register_buffer("weight", (kernel / kernel.sum()).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H * scale, W * scale)."""
        pad = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight, stride=self.stride, padding=pad, groups=x.shape[1])


def downsample(channels: int, scale: float) -> nn.Module:
    """An anti-aliased downsample; nothing, with no state, at scale 1."""
    return AntiAliasedDownsample(channels, scale) if scale < 1 else nn.Identity()


def coordinate_grid(like: Tensor) -> Tensor:
    """(H, W, 2): x, y of each pixel of `like` (…, H, W), -1 and 1 at the corners' centres."""
    height, width = like.shape[-2:]
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width)), dim=-1)


def warp(image: Tensor, grid: Tensor) -> Tensor:
    """Sample `image` (B, C, H, W) at `grid` (B, h, w, 2), resized to H x W first."""
    size = image.shape[-2:]
    if grid.shape[1:3] != size:
        channels_first = grid.permute(0, 3, 1, 2)
        grid = F.interpolate(channels_first, size, mode="bilinear").permute(0, 2, 3, 1)
    # in the grid's type: bfloat16 would move pixels
    warped = F.grid_sample(image.to(grid.dtype), grid, align_corners=False)
    last = image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous()
    layout = torch.channels_last if last else torch.preserve_format
    return warped.to(image.dtype, memory_format=layout)


def resize_to(x: Tensor, like: Tensor) -> Tensor:
    """`x` (B, C, h, w) at the height and width of `like`, bilinearly."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, like.shape[-2:], mode="bilinear")
