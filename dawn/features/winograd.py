"""Convolutions of 3 x 3 with fewer products: the same numbers up to float32 rounding.

Toom's and Cook's method for small polynomial products, transposed: m outputs of a kernel of r taps
take m + r - 1 products in place of m r. In two dimensions that is Winograd's minimal filtering
(Lavin and Gray 2016, arXiv 1509.09308). The three steps over a tile, (kernel w) * (before x) and
then after of it, become matrix products over whole maps, and the middle one, which holds nearly all
of the work, a product of pixels by channels for each of the points.

Maps lie (rows, columns, images, channels): in this order the pixels of a row or column of tiles are
rows of one long matrix, for all images and channels at once, so that no step gathers pixels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

TAPS = 3

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1.5, -1.5, 0.75, -0.75)  # and infinity
"""Where polynomials are evaluated: small numbers, whose powers stay near 1."""

_PHASES = ((1, 0), (0, 0), (0, 1), (1, 1))
"""Odd or even rows and columns, so ordered that those with even rows, those with even columns and
those with both lie next to each other."""

_ONE = _POINTS.index(1.0)


def toom_cook(outputs: int, taps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices (P, taps) on the kernel, (P, P) on the pixels and (outputs, P) on the products, such
    that y = after @ ((kernel w) * (before x)) is y[i] = sum_k w[k] x[i + k]. Float64.

    P = outputs + taps - 1, evaluations of polynomials at the first of `_POINTS` and at infinity,
    transposed. The matrix of pixels is scaled to rows of size 1, which rounds least.
    """
    points = outputs + taps - 1

    def values(terms: int) -> NDArray[np.float64]:
        rows = [[point**power for power in range(terms)] for point in _POINTS[: points - 1]]
        return np.array([*rows, [0.0] * (terms - 1) + [1.0]])

    before = np.linalg.inv(values(points)).T
    size = 2.0 ** np.round(np.log2(np.abs(before).sum(axis=1, keepdims=True)))  # a power: exact
    kernel, after = values(taps) * size, np.ascontiguousarray(values(outputs).T)
    return torch.from_numpy(kernel), torch.from_numpy(before / size), torch.from_numpy(after)


class Convolution:
    """A convolution of 3 x 3 with stride 1, zeros around the map and a bias."""

    def __init__(
        self, weight: Tensor, bias: Tensor, tile: tuple[int, int], padding: int = 1
    ) -> None:
        """`weight` (O, C, 3, 3), `bias` (O,); `tile`: outputs in rows and columns that are computed
        at once. The larger, the fewer products, unless many of the last tile are thrown away, and
        the more rounding; 6 is much.
        """
        (rows, self._before_rows, self._after_rows), (columns, self._before, self._after) = (
            [part.double() for part in toom_cook(outputs, TAPS)] for outputs in tile
        )
        kernels = torch.einsum("pi,qj,ocij->qpco", rows, columns, weight.detach().double())
        self._tile, self._bias, self._padding = tile, bias.detach(), padding
        self._kernels = [_trimmed(kernel.float()) for kernel in kernels.flatten(0, 1)]
        self._before_rows, self._after_rows, self._before, self._after = (
            part.float().contiguous()
            for part in (self._before_rows, self._after_rows, self._before, self._after)
        )
        # The products at (1, 1) come into every output with weight 1: the bias goes there.
        self._with_bias = _ONE * len(rows) + _ONE

    def __call__(self, maps: Tensor) -> Tensor:
        """(H, W, N, C) to (H + 2 padding - 2, W + 2 padding - 2, N, O)."""
        around = self._padding
        height, width = (size + 2 * around - TAPS + 1 for size in maps.shape[:2])
        down, right = -(-height // self._tile[0]), -(-width // self._tile[1])
        more = down * self._tile[0] - height, right * self._tile[1] - width
        edges = around, around + more[1], around, around + more[0]
        if any(edges):
            maps = functional.pad(maps, (0, 0, 0, 0, *edges))
        products = self._products(self._points(maps, down, right))
        return self._outputs(products.unflatten(2, (down, right, -1)), height, width)

    def _points(self, maps: Tensor, down: int, right: int) -> Tensor:
        """Values at the points of all tiles, (columns' points, rows', tiles and images, C)."""
        points, images, channels = len(self._before_rows), *maps.shape[2:]
        rows = maps.new_empty(points, down, maps.shape[1], images * channels)
        for i in range(down):
            part = maps[i * self._tile[0] :][:points].view(points, -1)
            torch.mm(self._before_rows, part, out=rows[:, i].view(points, -1))
        rows = rows.flatten(0, 1)
        values = maps.new_empty(len(self._before), len(rows), right, images * channels)
        matrix = self._before.expand(len(rows), -1, -1)
        for j in range(right):
            part = rows[:, j * self._tile[1] :][:, : len(self._before)]
            torch.bmm(matrix, part, out=values[:, :, j].transpose(0, 1))
        return values.view(len(self._before), points, -1, channels)

    def _products(self, values: Tensor) -> Tensor:
        """Each point's values times its kernels, (columns' points, rows', tiles and images, O)."""
        made = values.new_empty(*values.shape[:3], len(self._bias))
        parts = zip(values.flatten(0, 1), self._kernels, made.flatten(0, 1), strict=True)
        for number, (value, (kernel, begin), out) in enumerate(parts):
            value = value[:, begin : begin + len(kernel)]
            if number == self._with_bias:
                torch.addmm(self._bias, value, kernel, out=out)
            else:
                torch.mm(value, kernel, out=out)
        return made

    def _outputs(self, products: Tensor, height: int, width: int) -> Tensor:
        """(columns' points, rows', tiles down, right, N, O) to (height, width, N, O)."""
        points, down, right, images, channels = products.shape[1:]
        products = products.view(-1, points * down, right, images * channels)
        columns = products.new_empty(points * down, width, images * channels)
        for j in range(right):
            part = columns[:, j * self._tile[1] :][:, : self._tile[1]]
            matrix = self._after[: part.shape[1]].expand(len(part), -1, -1)
            torch.bmm(matrix, products[:, :, j].transpose(0, 1), out=part)
        columns = columns.view(points, down, -1)
        made = products.new_empty(height, columns.shape[2])
        for i in range(down):
            part = made[i * self._tile[0] :][: self._tile[0]]
            torch.mm(self._after_rows[: len(part)], columns[:, i], out=part)
        return made.view(height, width, images, channels)


class HalvingConvolution:
    """A convolution of 5 x 5 with stride 2, one row and column of zeros around the map and a bias.

    Its outputs see the even and the odd rows and columns of the map through kernels of their own,
    of 3 or 2 taps a side: one convolution of 3 x 3 with stride 1 over four times the channels.
    Where a kernel has 2 taps of 3, its value at infinity is zero, and that product is not made.
    """

    def __init__(self, weight: Tensor, bias: Tensor, tile: tuple[int, int]) -> None:
        """As `Convolution`'s, but `weight` (O, C, 5, 5)."""
        kernels = [functional.pad(weight[:, :, i::2, j::2], (0, j, 0, i)) for i, j in _PHASES]
        self._convolution = Convolution(torch.cat(kernels, dim=1), bias, tile, padding=0)

    def __call__(self, maps: Tensor) -> Tensor:
        """(N, H, W, C) to ((H - 1) // 2, (W - 1) // 2, N, O)."""
        images, height, width, channels = maps.shape
        down, right = (height - 1) // 2, (width - 1) // 2
        phases = maps.new_zeros(down + TAPS - 1, right + TAPS - 1, images, 4, channels)
        for number, (i, j) in enumerate(_PHASES):
            # Rows 2 r + i of the padded map are rows 2 r + i - 1 of the map.
            part = maps[:, 1 - i :: 2, 1 - j :: 2].permute(1, 2, 0, 3)
            room = phases[1 - i :, 1 - j :, :, number]
            room[: len(part), : part.shape[1]] = part[: len(room), : room.shape[1]]
        return self._convolution(phases.flatten(3))


def _trimmed(kernel: Tensor) -> tuple[Tensor, int]:
    """A matrix (C, O) without the channels of zeros that it begins and ends with, and where the
    rest begins.
    """
    used = kernel.any(dim=1).nonzero()
    begin, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    return kernel[begin:end].contiguous(), begin
