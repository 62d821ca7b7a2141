"""Convolutions of 3 x 3 with fewer products: the same numbers up to float32 rounding.

Toom's and Cook's method for small polynomial products, transposed: m outputs of a kernel of r taps
take m + r - 1 products in place of m r. In two dimensions that is Winograd's minimal filtering
(Lavin and Gray 2016, arXiv 1509.09308). The three steps over a tile, (kernel w) * (before x) and
then after of it, become matrix products over whole maps, and the middle one, which holds nearly all
of the work, a product of pixels by channels for each of the points.

Maps lie (rows, columns, images, channels): in this order the pixels of a row or column of tiles are
rows of one long matrix, for all images and channels at once, so that no step gathers pixels.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

TAPS = 3

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1.5, -1.5, 0.75, -0.75)
"""Where polynomials are evaluated besides infinity: small numbers, whose powers stay near 1."""

_PHASES = ((1, 0), (0, 0), (0, 1), (1, 1))
"""Odd or even rows and columns, so ordered that those with even rows, those with even columns and
those with both lie next to each other."""

_ONE = 1 + _POINTS.index(1.0)


def toom_cook(outputs: int, taps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices (P, taps) on the kernel, (P, P) on the pixels and (outputs, P) on the products, such
    that y = after @ ((kernel w) * (before x)) is y[i] = sum_k w[k] x[i + k]. Float64.

    P = outputs + taps - 1, evaluations of polynomials at infinity and the first of `_POINTS`,
    transposed. With fewer outputs the points are the first of these.
    """
    points = outputs + taps - 1

    def values(terms: int) -> NDArray[np.float64]:
        rows = [[point**power for power in range(terms)] for point in _POINTS[: points - 1]]
        return np.array([[0.0] * (terms - 1) + [1.0], *rows])

    before = np.ascontiguousarray(np.linalg.inv(values(points)).T)
    kernel, after = values(taps), np.ascontiguousarray(values(outputs).T)
    return torch.from_numpy(kernel), torch.from_numpy(before), torch.from_numpy(after)


class _Tile(NamedTuple):
    """Outputs from `start` on, and their matrices: (P, P) on pixels, (outputs, P) on products."""

    start: int
    before: Tensor
    after: Tensor


class _Side:
    """How rows or columns are cut into tiles."""

    def __init__(self, outputs: int) -> None:
        self.kernel = toom_cook(outputs, TAPS)[0]
        sizes = range(1, outputs + 1)
        self._matrices = [[part.float() for part in toom_cook(n, TAPS)[1:]] for n in sizes]

    def tiles(self, length: int) -> list[_Tile]:
        """Whole tiles, and one of the outputs that are left, which takes fewer products."""
        most = len(self._matrices)
        return [
            _Tile(start, *self._matrices[min(most, length - start) - 1])
            for start in range(0, length, most)
        ]


def _uses(tiles: list[_Tile]) -> list[int]:
    """How many tiles, the first ones, have each of the points."""
    return [sum(len(tile.before) > p for tile in tiles) for p in range(len(tiles[0].before))]


class Convolution:
    """A convolution of 3 x 3 with stride 1, zeros around the map and a bias."""

    def __init__(
        self, weight: Tensor, bias: Tensor, tile: tuple[int, int], padding: int = 1
    ) -> None:
        """`weight` (O, C, 3, 3), `bias` (O,); `tile`: outputs in rows and columns that are computed
        at once. The larger, the fewer products and the more rounding; 6 is much.
        """
        self._rows, self._columns = _Side(tile[0]), _Side(tile[1])
        kernels = torch.einsum(
            "pi,qj,ocij->pqco", self._rows.kernel, self._columns.kernel, weight.detach().double()
        )
        self._kernels = [[_trimmed(kernel.float()) for kernel in row] for row in kernels]
        self._bias, self._padding = bias.detach(), padding

    def __call__(self, maps: Tensor) -> Tensor:
        """(H, W, N, C) to (H + 2 padding - 2, W + 2 padding - 2, N, O)."""
        if self._padding:
            maps = functional.pad(maps, (0, 0, 0, 0, *[self._padding] * 4))
        height, width = (size - TAPS + 1 for size in maps.shape[:2])
        down, right = self._rows.tiles(height), self._columns.tiles(width)
        rows = maps.new_empty(len(down[0].before), len(down), *maps.shape[1:])
        for i, tile in enumerate(down):
            points = len(tile.before)
            part = maps[tile.start :][:points].view(points, -1)
            torch.mm(tile.before, part, out=rows[:points, i].view(points, -1))
        columns = maps.new_empty(*rows.shape[:2], width, maps.shape[2], len(self._bias))
        for p, count in enumerate(_uses(down)):
            self._row_point(p, rows[p, :count], right, out=columns[p, :count])
        made = maps.new_empty(height, *columns.shape[2:])
        for i, tile in enumerate(down):
            outputs, points = tile.after.shape
            part = made[tile.start :][:outputs].view(outputs, -1)
            torch.mm(tile.after, columns[:points, i].view(points, -1), out=part)
        return made

    def _row_point(self, p: int, rows: Tensor, right: list[_Tile], out: Tensor) -> None:
        """Tiles' pixels (tiles down, W, N, C) at a point of the rows to its products, by then
        outputs of the columns, `out` (tiles down, width, N, O).
        """
        down, _, images, channels = rows.shape
        room = len(right[0].before), len(right), down, images
        rows, out = rows.flatten(2), out.flatten(2)
        values = rows.new_empty(*room, channels)
        products = rows.new_empty(*room, len(self._bias))
        for j, tile in enumerate(right):
            points = len(tile.before)
            part = rows[:, tile.start :][:, :points]
            made = values[:points, j].flatten(2).transpose(0, 1)
            torch.bmm(tile.before.expand(down, -1, -1), part, out=made)
        for q, count in enumerate(_uses(right)):
            kernel, begin = self._kernels[p][q]
            value = values[q, :count].view(-1, channels)[:, begin : begin + len(kernel)]
            made = products[q, :count].view(-1, len(self._bias))
            if p == q == _ONE:
                # These products come into every output with weight 1: the bias goes there.
                torch.addmm(self._bias, value, kernel, out=made)
            else:
                torch.mm(value, kernel, out=made)
        for j, tile in enumerate(right):
            outputs, points = tile.after.shape
            part = products[:points, j].flatten(2).transpose(0, 1)
            made = out[:, tile.start :][:, :outputs]
            torch.bmm(tile.after.expand(down, -1, -1), part, out=made)


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
