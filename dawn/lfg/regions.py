"""Where the moving parts are: region predictor and background motion (MRAA, Siarohin 2021).

Regions are soft heatmaps; a region's mean and covariance give its place and its affine frame.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dawn.lfg.blocks import Encoder, Hourglass, coordinate_grid, downsample
from dawn.lfg.config import LFGConfig

LEAST_VARIANCE = 1e-5
"""Of a region in any direction, a twentieth of a pixel of 32: a heatmap that training shrinks to
one pixel or line has none, and no inverse. Regions of trained networks are far larger."""


class Regions(NamedTuple):
    """K regions of a batch of images.

    shift (B, K, 2): mean x, y. covar (B, K, 2, 2). affine (B, K, 2, 2): a square root of covar
    whose columns are principal axes, longest first. heatmap (B, K, h, w) sums to 1.
    """

    shift: Tensor
    covar: Tensor
    affine: Tensor
    heatmap: Tensor


class RegionPredictor(nn.Module):
    """Images to regions, by principal components of each heatmap."""

    def __init__(self, config: LFGConfig) -> None:
        super().__init__()
        self.temperature = config.temperature
        self.predictor = Hourglass(config.image_channels, config.regions)
        self.regions = nn.Conv2d(self.predictor.channels, config.num_regions, 7, padding=3)
        self.down = downsample(config.image_channels, config.region_scale)

    def forward(self, image: Tensor) -> Regions:
        """(B, 3, H, W) in 0 … 1 to regions with heatmaps at the reduced size."""
        logits = self.regions(self.predictor(self.down(image))) / self.temperature
        heatmap = logits.flatten(2).softmax(-1).view_as(logits)
        grid = coordinate_grid(heatmap)
        weights = heatmap[..., None]
        shift = (weights * grid).sum((2, 3))
        offset = grid - shift[:, :, None, None]
        outer = offset[..., :, None] * offset[..., None, :]
        covar = widened((weights[..., None] * outer).sum((2, 3)))
        return Regions(shift, covar, principal_axes(covar), heatmap)


def widened(covar: Tensor) -> Tensor:
    """Covariances (..., 2, 2), those that are flat made round enough to have an inverse."""
    with torch.no_grad():
        a, b, c = covar[..., 0, 0], covar[..., 0, 1], covar[..., 1, 1]
        least = (a + c) / 2 - torch.hypot((a - c) / 2, b)
        missing = (LEAST_VARIANCE - least).clamp(min=0)
    return covar + missing[..., None, None] * torch.eye(2, device=covar.device, dtype=covar.dtype)


def principal_axes(covar: Tensor) -> Tensor:
    """U diag(sqrt(σ)) of symmetric 2 x 2 matrices covar = U diag(σ) Uᵀ, σ descending.

    In closed form, on any device. Column signs are free, but not the handedness: flow uses one
    image's axes times the inverse of another's, and only a common sign is repaired later. The
    official code takes LAPACK's SVD, whose U is a reflection (det -1) here; so is this.
    """
    a, b, c = covar[..., 0, 0], covar[..., 0, 1], covar[..., 1, 1]
    middle, half = (a + c) / 2, (a - c) / 2
    round_ = (half == 0) & (b == 0)  # no preferred axis, and no gradient at atan2(0, 0)
    half = half + round_
    radius = torch.hypot(half, b) * ~round_
    angle = torch.atan2(b, half) / 2
    cos, sin = angle.cos(), angle.sin()
    axes = torch.stack((torch.stack((cos, sin), -1), torch.stack((sin, -cos), -1)), -2)
    variances = torch.stack((middle + radius, (middle - radius).clamp(min=0)), -1)
    return axes * variances.sqrt().unsqueeze(-2)


class BackgroundMotion(nn.Module):
    """The affine motion of what is behind, from the two pictures at full size."""

    def __init__(self, config: LFGConfig) -> None:
        super().__init__()
        self.encoder = Encoder(2 * config.image_channels, config.background)
        self.fc = nn.Linear(config.background.width(config.background.num_blocks), 6)
        nn.init.zeros_(self.fc.weight)
        with torch.no_grad():
            self.fc.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """(B, 3, H, W) each to (B, 3, 3), driving coordinates to source coordinates."""
        deepest = self.encoder(torch.cat((source, driving), dim=1))[-1]
        top = self.fc(deepest.to(self.fc.weight.dtype).mean((2, 3))).view(-1, 2, 3)
        bottom = torch.eye(3, device=top.device, dtype=top.dtype)[2:].expand(len(top), 1, 3)
        return torch.cat((top, bottom), dim=1)
