"""Networks of metrics: loaded once a process and device, the same answer for any batch.

They need PyTorch, which metrics import when they measure and not before.
"""

import functools
import importlib.util
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.torchvision_import import prepare_torchvision
from dawn.weights import load_into, load_state
from manifests.errors import InputError

LpipsTrunk = Literal["alex", "squeeze"]

_TAPS: dict[LpipsTrunk, tuple[int, ...]] = {
    "alex": (1, 4, 7, 9, 11),
    "squeeze": (1, 4, 7, 9, 10, 11, 12),
}
"""Layers after which features are taken."""

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


def to_tensor(pictures: NDArray[np.uint8], device: str = "cpu") -> Tensor:
    """(n, H, W, 3) uint8 to (n, 3, H, W) float32 in [0, 1]; bytes go over to a GPU, not floats."""
    planes = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    return planes.to(device).float() / 255


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
def inception(path: Path, device: str = "cpu") -> Inception2015:
    """The network from a file. Raises InputError."""
    return Inception2015(load_state(path), path).to(device)


@functools.lru_cache(maxsize=1)
def torchscript(path: Path, device: str = "cpu") -> torch.jit.ScriptModule:
    """A TorchScript file, **whose code this runs**: only for files that were verified against
    the registry, or that the user vouches for. Raises InputError when it is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: is no TorchScript file that can be loaded ({reason})") from error


class Lpips(nn.Module):
    """LPIPS: (n, 3, H, W) pairs in [0, 1] to (n,) distances.

    The trunks are torchvision's; the linear heads (v0.1) are the ones torchmetrics carries. Both
    are loaded as tensors alone.
    """

    def __init__(self, net: LpipsTrunk, state: dict[str, Tensor], source: str | Path) -> None:
        """`state` is torchvision's for the whole classifier. Raises InputError."""
        super().__init__()
        prepare_torchvision()
        from torchvision import models

        whole = models.alexnet(weights=None) if net == "alex" else models.squeezenet1_1()
        load_into(whole, state, source)
        self.trunk = whole.features.eval()
        self.taps = _TAPS[net]
        for index, head in enumerate(heads(net)):
            self.register_buffer(f"head{index}", head)
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None])

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """See the class."""
        own = [self.get_buffer(f"head{index}") for index in range(len(self.taps))]
        pairs = zip(self._features(first), self._features(second), own, strict=True)
        return torch.stack([((a - b) ** 2 * head).sum(1).mean((1, 2)) for a, b, head in pairs]).sum(
            0
        )

    def _features(self, pictures: Tensor) -> list[Tensor]:
        x = (2 * pictures - 1 - self.get_buffer("shift")) / self.get_buffer("scale")
        found = []
        for index, layer in enumerate(self.trunk):
            x = layer(x)
            if index in self.taps:
                found.append(x / torch.sqrt(1e-8 + (x**2).sum(1, keepdim=True)))
            if index == self.taps[-1]:
                break
        return found


def heads(net: LpipsTrunk) -> list[Tensor]:
    """The learned weight of each feature, one (1, C, 1, 1) a tap. Raises InputError."""
    package = importlib.util.find_spec("torchmetrics")
    if package is None or not package.submodule_search_locations:
        raise InputError("LPIPS takes torchmetrics, which carries its heads; install it")
    folder = Path(package.submodule_search_locations[0]) / "functional/image/lpips_models"
    state = load_state(folder / f"{net}.pth")
    return [state[f"lin{index}.model.1.weight"] for index in range(len(_TAPS[net]))]


@functools.lru_cache(maxsize=2)
def lpips(net: LpipsTrunk, path: Path, device: str = "cpu") -> Lpips:
    """The network from the trunk's file. Raises InputError."""
    return Lpips(net, load_state(path), path).to(device)
