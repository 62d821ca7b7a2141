"""Networks of metrics: loaded once a process, the same answer for any batch."""

import functools
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.torchvision_import import prepare_torchvision
from dawn.weights import load_into, load_state
from eval.metrics.steps import SAMPLED, Step
from manifests.errors import InputError

BATCH = 16
"""Pictures that go through a network at once. Results do not depend on it beyond rounding."""


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(n, H, W, 3) uint8 to (n, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 255


INCEPTION = Step(
    name="inception", libraries=("pytorch-fid", "torch", "torchvision"), after=(SAMPLED,)
)


class Inception2015(nn.Module):
    """The network that defines FID, to its third pooling: pytorch-fid 0.3.0's own blocks.

    Takes (n, 3, H, W) in [0, 1]; resizes as pytorch-fid does (bilinear to 299, no antialias),
    scales to [-1, 1], returns (n, 2048).
    """

    def __init__(self, state: dict[str, Tensor], source: str | Path) -> None:
        """`state`: that of the registry's `fid_inception`. Raises InputError when it is not."""
        super().__init__()
        prepare_torchvision()
        from pytorch_fid import inception as reference

        net = reference._inception_v3(num_classes=1008, aux_logits=False, weights=None)
        net.Mixed_5b = reference.FIDInceptionA(192, pool_features=32)
        net.Mixed_5c = reference.FIDInceptionA(256, pool_features=64)
        net.Mixed_5d = reference.FIDInceptionA(288, pool_features=64)
        net.Mixed_6b = reference.FIDInceptionC(768, channels_7x7=128)
        net.Mixed_6c = reference.FIDInceptionC(768, channels_7x7=160)
        net.Mixed_6d = reference.FIDInceptionC(768, channels_7x7=160)
        net.Mixed_6e = reference.FIDInceptionC(768, channels_7x7=192)
        net.Mixed_7b = reference.FIDInceptionE_1(1280)
        net.Mixed_7c = reference.FIDInceptionE_2(2048)
        load_into(net, state, source)
        first = [net.Conv2d_1a_3x3, net.Conv2d_2a_3x3, net.Conv2d_2b_3x3, nn.MaxPool2d(3, 2)]
        second = [net.Conv2d_3b_1x1, net.Conv2d_4a_3x3, nn.MaxPool2d(3, 2)]
        mixed = [getattr(net, f"Mixed_{name}") for name in _MIXED]
        self.blocks = nn.Sequential(*first, *second, *mixed).eval()
        fold_normalisation(self.blocks)
        self.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        x = nn.functional.interpolate(pictures, size=(299, 299), mode="bilinear")
        x = (2 * x - 1).contiguous(memory_format=torch.channels_last)
        return self.blocks(x).mean(dim=(2, 3))


_MIXED = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")


def fold_normalisation(net: nn.Module) -> None:
    """Put each batch norm into the convolution before it, which changes nothing but the speed."""
    for part in net.modules():
        conv, norm = getattr(part, "conv", None), getattr(part, "bn", None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            part.conv = nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
            part.bn = nn.Identity()


@functools.lru_cache(maxsize=1)
def inception(path: Path) -> Inception2015:
    """The network from a file. Raises InputError."""
    return Inception2015(load_state(path), path)


@functools.lru_cache(maxsize=1)
def torchscript(path: Path) -> torch.jit.ScriptModule:
    """A TorchScript file, **whose code this runs**: only for files that were verified against
    the registry, or that the user vouches for. Raises InputError when it is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: is no TorchScript file that can be loaded ({reason})") from error


def batches(chunks: Iterator[NDArray[np.uint8]], size: int = BATCH) -> Iterator[NDArray[np.uint8]]:
    """Chunks of pictures cut to at most `size`."""
    for chunk in chunks:
        for begin in range(0, len(chunk), size):
            yield chunk[begin : begin + size]
