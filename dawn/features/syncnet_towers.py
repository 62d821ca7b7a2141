"""SyncNet's two networks, computed with fewer products: the same numbers up to rounding.

The first layer of the picture's network is more than half of the work: a convolution over 5 frames,
where windows that overlap multiply the same pixels by different weights. Over four windows at once
that is a polynomial product in time, and Toom's and Cook's method takes 8 spatial convolutions for
it instead of 20 (the same that Winograd's filters do in space; Lavin and Gray 2016, arXiv
1509.09308). Batch norms are folded into the convolutions, and pixels lie channels last, for which
pooling is many times faster.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

FRAMES = 5
"""Frames in a window."""

_WINDOWS = 4
_FRAMES = _WINDOWS + FRAMES - 1
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)  # and infinity

_LATER = 16
"""Windows that go through the later layers at once."""


class PictureTower:
    """BGR crops to features of windows of 5 frames."""

    def __init__(self, convolutions: nn.Sequential, linear: nn.Sequential) -> None:
        """`convolutions` and `linear`: `netcnnlip` and `netfclip` of the `syncnet-python` network,
        in evaluation.
        """
        layers = folded(convolutions)
        first = layers[0]
        kernels, self._before, after = toom_cook()
        weight = first.weight.detach().double()
        spatial = torch.einsum("pk,ockhw->pochw", kernels, weight).float()
        self._spatial = [w.contiguous(memory_format=torch.channels_last) for w in spatial]
        self._after, self._bias, self._stride = after, first.bias.detach(), first.stride[1:]
        self._pool: Any = flat(layers[2])
        self._later = nn.Sequential(*[flat(layer) for layer in layers[3:]]).eval()
        self._later.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._linear = nn.Sequential(*folded(linear)).eval()

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> Tensor:
        """(N + 4, 224, 224, 3) uint8 to (N, D)."""
        windows = len(frames) - FRAMES + 1
        whole = -(-windows // _WINDOWS) * _WINDOWS
        index = np.minimum(np.arange(whole + FRAMES - 1), len(frames) - 1)
        maps, features = [], []
        for start in range(0, whole, _WINDOWS):
            maps.append(self._first(frames[index[start : start + _FRAMES]]))
            if len(maps) * _WINDOWS >= _LATER or start + _WINDOWS >= whole:
                features.append(self._later(torch.cat(maps)).flatten(1))
                maps = []
        return torch.as_tensor(self._linear(torch.cat(features)[:windows]))

    def _first(self, frames: NDArray[np.uint8]) -> Tensor:
        """8 frames to the first layer's maps of their 4 windows, pooled and rectified."""
        _, height, width, colours = frames.shape
        pixels = torch.from_numpy(frames).float().view(_FRAMES, -1)
        mixed = (self._before @ pixels).view(_FRAMES, height, width, colours)
        maps = [
            functional.conv2d(picture.permute(2, 0, 1)[None], weight, stride=self._stride)
            for picture, weight in zip(mixed, self._spatial, strict=True)
        ]
        rows, columns = maps[0].shape[2:]
        products = torch.stack([part.permute(0, 2, 3, 1).reshape(-1) for part in maps])
        sums = (self._after @ products).view(_WINDOWS, rows, columns, -1).permute(0, 3, 1, 2)
        # The largest value of a neighbourhood stays so under a shift and under rectifying.
        pooled = self._pool(sums)
        return torch.relu_(pooled.add_(self._bias[:, None, None]))


def sound_tower(convolutions: nn.Sequential, linear: nn.Sequential) -> nn.Sequential:
    """`netcnnaud` and `netfcaud` as one network with its batch norms folded: cepstra (N, 1, 13, 20)
    to features (N, D).
    """
    tower = nn.Sequential(*folded(convolutions), nn.Flatten(1), *folded(linear)).eval()
    tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return tower


def toom_cook() -> tuple[Tensor, Tensor, Tensor]:
    """Matrices (8, 5) float64 on the kernel, (8, 8) on the frames and (4, 8) on the products, such
    that y = after @ ((kernel w) * (before x)) is y[i] = sum_k w[k] x[i + k].

    Evaluation of polynomials at `_POINTS` and infinity, transposed.
    """

    def values(terms: int) -> NDArray[np.float64]:
        rows = [[point**power for power in range(terms)] for point in _POINTS]
        return np.array([*rows, [0.0] * (terms - 1) + [1.0]])

    before = np.linalg.inv(values(_FRAMES)).T
    after = np.ascontiguousarray(values(_WINDOWS).T)
    return (
        torch.from_numpy(values(FRAMES)),
        torch.from_numpy(before).float().contiguous(),
        torch.from_numpy(after).float(),
    )


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


def flat(layer: nn.Module) -> nn.Module:
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


def _plane(sizes: Any) -> tuple[int, int]:  # noqa: ANN401 - a number, or one for each axis
    """The sizes of height and width."""
    return (sizes, sizes) if isinstance(sizes, int) else (sizes[1], sizes[2])
