"""SyncNet's two networks, computed with fewer products: the same numbers up to rounding.

The first layer of the picture's network is more than half of the work: a convolution over 5 frames,
where windows that overlap multiply the same pixels by different weights. Over eight windows at once
that is a polynomial product in time, and Toom's and Cook's method takes 12 spatial convolutions for
it instead of 40, and over its rows once more. The later layers and the network of the sound take
that method in space (`dawn.features.sync.winograd`). Batch norms are folded into the convolutions.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dawn.features.sync.winograd import Convolution, HalvingConvolution, toom_cook

FRAMES = 5
"""Frames in a window."""

_WINDOWS = 8
_FRAMES = _WINDOWS + FRAMES - 1

_ROWS = 4
_PAIRS = 4
"""Rows of the first layer's outputs computed by one product, and pairs of pixel rows each sees."""

_STRIP = 16
"""Rows of the first layer that are computed at once: what lies between its steps stays in the
cache."""

_STRIP_PAIRS = _STRIP + _PAIRS - 1

_LATER = 24
"""Windows that go through the later layers at once."""

_Step = Callable[[Tensor], Tensor]


class PictureTower:
    """BGR crops to features of windows of 5 frames."""

    def __init__(self, convolutions: nn.Sequential, linear: nn.Sequential) -> None:
        """`convolutions` and `linear`: `netcnnlip` and `netfclip` of the `syncnet-python` network,
        in evaluation.
        """
        first, _, pool, *others = folded(convolutions)
        self._first = _FirstLayer(first, flat(pool))
        second, *later = (flat(layer) for layer in others)
        halving = HalvingConvolution(second.weight, second.bias, (5, 5))
        self._second: list[_Step] = [halving, *steps(later[:2])]
        self._later = steps(later[2:], (5, 5))
        self._linear = nn.Sequential(*folded(linear)).eval()

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> Tensor:
        """(N + 4, 224, 224, 3) uint8 to (N, D)."""
        windows = len(frames) - FRAMES + 1
        whole = -(-windows // _WINDOWS) * _WINDOWS
        index = np.minimum(np.arange(whole + FRAMES - 1), len(frames) - 1)
        maps: list[Tensor] = []
        features = []
        for start in range(0, whole, _WINDOWS):
            first = self._first(frames[index[start : start + _FRAMES]])
            maps.append(through(self._second, first))
            if len(maps) * _WINDOWS >= _LATER or start + _WINDOWS >= whole:
                features.append(through(self._later, torch.cat(maps, dim=2)))
                maps = []
        return torch.as_tensor(self._linear(torch.cat(features)[:windows]))


class _FirstLayer:
    """Frames to the first layer's maps of their windows, pooled and rectified.

    With its stride of 2 even and odd rows of pixels meet kernels of their own, of 4 and of 3 rows:
    over four rows of outputs a polynomial product too, of 7 products in place of 16.
    """

    def __init__(self, layer: Any, pool: nn.Module) -> None:  # noqa: ANN401 - a Conv3d
        in_time, before, after = toom_cook(_WINDOWS, FRAMES)
        self._before, self._after = before.float(), after.float()
        in_rows, before, after = toom_cook(_ROWS, _PAIRS)
        self._before_rows, self._after_rows = before.float(), after.float()
        weight = functional.pad(layer.weight.detach().double(), (0, 0, 0, 1))
        pairs = weight.unflatten(3, (_PAIRS, 2))
        kernels = torch.einsum("tk,pr,ockrix->tpixco", in_time, in_rows, pairs)
        self._kernels = kernels.flatten(2, 4).float().contiguous()
        self._bias, self._taps, self._pool = layer.bias.detach(), layer.kernel_size[2], pool

    def __call__(self, frames: NDArray[np.uint8]) -> Tensor:
        """12 frames to (8, rows, columns, channels)."""
        pixels, channels = torch.from_numpy(frames), len(self._bias)
        rows, columns = ((side - self._taps) // 2 + 1 for side in frames.shape[1:3])
        made = torch.empty(_WINDOWS, (rows - 1) // 2, (columns - 1) // 2, channels)
        sums = torch.zeros(_WINDOWS, 2 + _STRIP, columns, channels)
        for top in range(0, rows, _STRIP):
            # The pool reads a strip's last two rows again with the next strip.
            sums[:, :2] = sums[:, _STRIP:].clone()
            strip = pixels[:, 2 * top :][:, : 2 * _STRIP_PAIRS]
            part = sums[:, 2:].view(_WINDOWS, -1)
            torch.mm(self._after, self._convolved(strip, columns), out=part)
            used = sums[:, 2 - min(top, 2) : 2 + min(_STRIP, rows - top)]
            # The largest value of a neighbourhood stays so under a shift and under rectifying.
            pooled = self._pool(used.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            room = made[:, max(0, top // 2 - 1) :][:, : pooled.shape[1]]
            torch.add(pooled, self._bias, out=room).relu_()
        return made

    def _convolved(self, pixels: Tensor, columns: int) -> Tensor:
        """A strip of frames, zeros where they end, to its convolutions, (12, rows columns
        channels)."""
        missing = 2 * _STRIP_PAIRS - pixels.shape[1]
        strip = functional.pad(pixels, (0, 0, 0, 0, 0, missing)).flatten(1).float()
        pairs = (self._before @ strip).view(_FRAMES, _STRIP_PAIRS, -1)
        points, tiles = len(self._before_rows), _STRIP // _ROWS
        rows = [self._before_rows @ pairs[:, i : i + points] for i in range(0, _STRIP, _ROWS)]
        taps = torch.stack(rows, dim=2).unflatten(-1, (2, -1)).unfold(-1, 3 * self._taps, 3 * 2)
        values = strip.new_empty(points, tiles * columns, self._kernels.shape[2])
        products = strip.new_empty(points, tiles * columns, len(self._bias))
        maps = strip.new_empty(_FRAMES, tiles, _ROWS, columns * len(self._bias))
        for tap, kernel, of_frame in zip(taps, self._kernels, maps, strict=True):
            values.view(points, tiles, columns, 2, -1).copy_(tap.transpose(2, 3))
            torch.bmm(values, kernel, out=products)
            for i, part in enumerate(products.view(points, tiles, -1).unbind(1)):
                torch.mm(self._after_rows, part, out=of_frame[i])
        return maps.flatten(1)


class SoundTower:
    """Cepstra of windows of 0.2 s to their features."""

    def __init__(self, convolutions: nn.Sequential, linear: nn.Sequential) -> None:
        """`convolutions` and `linear`: `netcnnaud` and `netfcaud`, as for `PictureTower`."""
        self._first, *later = folded(convolutions)
        self._later = steps(later, (6, 5))
        self._linear = nn.Sequential(*folded(linear)).eval()

    @torch.inference_mode()
    def __call__(self, cepstra: Tensor) -> Tensor:
        """(N, 1, 13, 20) to (N, D)."""
        maps = self._first(cepstra).permute(2, 3, 0, 1).contiguous()
        return torch.as_tensor(self._linear(through(self._later, maps)))


def through(path: list[_Step], maps: Tensor) -> Tensor:
    """What comes out of the last step."""
    for step in path:
        maps = step(maps)
    return maps


def steps(layers: list[Any], tile: tuple[int, int] = (4, 4)) -> list[_Step]:
    """Layers on one frame as steps on maps (rows, columns, images, channels); a convolution without
    padding is one over the whole map, and ends in (images, channels).
    """
    result: list[_Step] = []
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d):
            # Before rectifying, which is the same and less to rectify.
            result.insert(len(result) - (result[-1:] == [torch.relu_]), pooling(layer))
        elif isinstance(layer, nn.ReLU):
            result.append(torch.relu_)
        elif layer.padding == (0, 0):
            result.append(_whole(layer))
        elif (layer.kernel_size, layer.stride, layer.padding) == ((3, 3), (1, 1), (1, 1)):
            result.append(Convolution(layer.weight, layer.bias, tile))
        else:
            raise ValueError(f"no step for {layer}")
    return result


def pooling(layer: nn.MaxPool2d) -> _Step:
    """The pool on maps (rows, columns, images, channels)."""
    (high, wide), stride, (around, beside) = (
        _pair(sizes) for sizes in (layer.kernel_size, layer.stride, layer.padding)
    )

    def pool(maps: Tensor) -> Tensor:
        # Whole rows and columns at once: PyTorch's pool also finds where the maxima are.
        edges = (0, 0, 0, 0, beside, beside, around, around)
        maps = functional.pad(maps, edges, value=-torch.inf) if any(edges) else maps
        down, right = (
            (n - k) // s for n, k, s in zip(maps.shape, (high, wide), stride, strict=False)
        )
        rows = [maps[i :: stride[0]][: down + 1] for i in range(high)]
        maps = reduce(torch.maximum, rows)
        columns = [maps[:, j :: stride[1]][:, : right + 1] for j in range(wide)]
        return reduce(torch.maximum, columns)

    return pool


def _whole(layer: nn.Conv2d) -> _Step:
    weight, bias = layer.weight.detach().permute(0, 2, 3, 1).flatten(1), layer.bias

    def multiply(maps: Tensor) -> Tensor:
        return functional.linear(maps.permute(2, 0, 1, 3).flatten(1), weight, bias)

    return multiply


def folded(layers: nn.Sequential) -> list[Any]:
    """The layers with each batch norm put into the convolution or linear layer before it."""
    result: list[Any] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            result[-1] = nn.utils.fuse_linear_bn_eval(result[-1], layer)
        elif isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            result[-1] = nn.utils.fuse_conv_bn_eval(result[-1], layer)
        else:
            result.append(layer)
    return result


def flat(layer: Any) -> Any:  # noqa: ANN401 - a layer
    """A layer of a 3-D network that looks at one frame, as one of a 2-D network."""
    if isinstance(layer, nn.MaxPool3d):
        return nn.MaxPool2d(_plane(layer.kernel_size), _plane(layer.stride), _plane(layer.padding))
    if isinstance(layer, nn.Conv3d):
        if layer.kernel_size[0] != 1 or layer.bias is None:
            raise ValueError(f"{layer} looks across frames, or has no bias")
        sizes = _plane(layer.kernel_size), _plane(layer.stride), _plane(layer.padding)
        made = nn.Conv2d(layer.in_channels, layer.out_channels, *sizes)
        made.weight = nn.Parameter(layer.weight[:, :, 0].detach(), requires_grad=False)
        made.bias = nn.Parameter(layer.bias.detach(), requires_grad=False)
        return made
    return layer


def _pair(sizes: int | tuple[int, ...]) -> tuple[int, int]:
    """A size that may be given once for rows and columns."""
    return (sizes, sizes) if isinstance(sizes, int) else (sizes[0], sizes[1])


def _plane(sizes: Any) -> tuple[int, int]:  # noqa: ANN401 - a number, or one for each axis
    """The sizes of height and width."""
    return (sizes, sizes) if isinstance(sizes, int) else (sizes[1], sizes[2])
