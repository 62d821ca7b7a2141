"""Random smooth warps for the equivariance losses: affine plus thin-plate spline (LM:82-134)."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dawn.lfg.blocks import coordinate_grid

POINTS = 5
"""Control points of the spline to each side."""


def draw_warp(draw: np.random.Generator, affine: float, spline: float) -> tuple[Tensor, Tensor]:
    """Parameters of a warp, (2, 3) and (POINTS²,), with these standard deviations."""
    matrix = np.eye(2, 3) + draw.normal(0, affine, (2, 3))
    bend = draw.normal(0, spline, POINTS**2)
    return torch.from_numpy(matrix).float(), torch.from_numpy(bend).float()


class RandomWarp:
    """A batch of warps of the plane -1 … 1; `affine` (B, 2, 3), `spline` (B, POINTS²)."""

    def __init__(self, affine: Tensor, spline: Tensor) -> None:
        self._affine, self._spline = affine, spline
        self._control = coordinate_grid(affine.new_empty(POINTS, POINTS)).view(1, 1, -1, 2)

    def image(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) as seen through the warp, edges reflected."""
        grid = coordinate_grid(image).view(1, -1, 2).expand(len(image), -1, -1)
        warped = self.points(grid).view(len(image), *image.shape[-2:], 2)
        return F.grid_sample(image, warped, padding_mode="reflection", align_corners=False)

    def points(self, points: Tensor) -> Tensor:
        """Points (B, N, 2) moved."""
        moved = points @ self._affine[:, :, :2].mT + self._affine[:, None, :, 2]
        distance = (points[:, :, None] - self._control).abs().sum(-1)
        bend = (distance**2 * torch.log(distance + 1e-6) * self._spline[:, None]).sum(-1)
        return moved + bend[..., None]

    def points_with_jacobian(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, N, 2) moved, and the derivative (B, N, 2, 2) of the movement there."""
        with torch.enable_grad():
            inner = points if points.requires_grad else points.detach().requires_grad_()
            moved = self.points(inner)
            rows = [
                torch.autograd.grad(moved[..., i].sum(), inner, create_graph=True)[0]
                for i in range(2)
            ]
        return moved, torch.stack(rows, dim=-2)
