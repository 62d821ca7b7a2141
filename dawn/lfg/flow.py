"""From two images' regions to dense flow and occlusion (MRAA's pixelwise flow predictor)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.lfg.blocks import Hourglass, coordinate_grid, downsample
from dawn.lfg.config import LFGConfig
from dawn.lfg.regions import Regions


class FlowPredictor(nn.Module):
    """Blends one candidate motion a region, and the background's, into a backward flow."""

    def __init__(self, config: LFGConfig) -> None:
        super().__init__()
        candidates = config.num_regions + 1
        inputs = candidates * (config.image_channels + 1)
        self.hourglass = Hourglass(inputs, config.flow)
        self.mask = nn.Conv2d(self.hourglass.channels, candidates, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.channels, 1, 7, padding=3)
        self.down = downsample(config.image_channels, config.flow_scale)

    def forward(
        self, source: Tensor, source_regions: Regions, driving_regions: Regions, background: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Flow (B, h, w, 2), where in the source each pixel comes from, and occlusion (B, 1, h, w).

        `source` is (B, 3, H, W), `background` (B, 3, 3); occlusion 1 means visible.
        """
        small = self.down(source)
        grids = candidate_grids(small, source_regions, driving_regions, background)
        batch, candidates = grids.shape[:2]
        repeated = small[:, None].expand(-1, candidates, -1, -1, -1).flatten(0, 1)
        warped = F.grid_sample(repeated, grids.flatten(0, 1), align_corners=False)
        heat = gaussians(driving_regions, small) - gaussians(source_regions, small)
        heat = F.pad(heat, (0, 0, 0, 0, 1, 0))  # the background's, zero
        stacked = torch.cat((heat[:, :, None], warped.unflatten(0, (batch, -1))), dim=2)
        hidden = self.hourglass(stacked.flatten(1, 2))
        weights = self.mask(hidden).softmax(1)
        flow = torch.einsum("bkhw,bkhwc->bhwc", weights, grids)
        return flow, self.occlusion(hidden).sigmoid()


def candidate_grids(small: Tensor, source: Regions, driving: Regions, background: Tensor) -> Tensor:
    """(B, K + 1, h, w, 2): where each pixel comes from if it moves with the background or region k.

    T_k(z) = A (z - d_k) + s_k with A = S_affine inv(D_affine), its sign fixed by A[0, 0] > 0.
    """
    grid = coordinate_grid(small)
    change = source.affine @ torch.linalg.inv_ex(driving.affine).inverse  # `inv` would wait
    change = change * change[..., :1, :1].sign()
    offset = grid - driving.shift[:, :, None, None]  # B K h w 2
    regions = torch.einsum("bkij,bkhwj->bkhwi", change, offset) + source.shift[:, :, None, None]
    behind = torch.einsum("bij,hwj->bhwi", background[:, :2, :2], grid)
    behind = behind + background[:, None, None, :2, 2]
    return torch.cat((behind[:, None], regions), dim=1)


def gaussians(regions: Regions, like: Tensor) -> Tensor:
    """(B, K, h, w): exp(-(x - μ)ᵀ Σ⁻¹ (x - μ) / 2), not normalised, at the size of `like`."""
    offset = coordinate_grid(like) - regions.shift[:, :, None, None]
    precision = torch.linalg.inv_ex(regions.covar).inverse
    return torch.exp(-0.5 * torch.einsum("bkhwi,bkij,bkhwj->bkhw", offset, precision, offset))
