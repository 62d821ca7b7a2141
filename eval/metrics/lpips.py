"""LPIPS: distance of two pictures in the features of an ImageNet network (Zhang et al. 2018).

The trunks are torchvision's; the linear heads (v0.1) are the ones torchmetrics carries. Both are
loaded as tensors alone. Agrees with torchmetrics' own LPIPS, which would download the trunk.
"""

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from dawn.torchvision_import import prepare_torchvision
from dawn.weights import load_into, load_state
from eval.metrics.interface import Definition, Measure
from eval.metrics.networks import to_tensor
from eval.metrics.pictures import F64, Pictures, frame_mean
from eval.metrics.steps import SAMPLED, Step
from manifests.errors import InputError

Net = Literal["alex", "squeeze"]

_TRUNK = {"alex": "alexnet", "squeeze": "squeezenet"}
_TAPS: dict[Net, tuple[int, ...]] = {"alex": (1, 4, 7, 9, 11), "squeeze": (1, 4, 7, 9, 10, 11, 12)}
"""Layers after which features are taken."""

LPIPS = Step(name="lpips", libraries=("torch", "torchmetrics", "torchvision"), after=(SAMPLED,))

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """(n, 3, H, W) pairs in [0, 1] to (n,) distances."""

    def __init__(self, net: Net, state: dict[str, Tensor], source: str | Path) -> None:
        """`state` is torchvision's for the whole classifier. Raises InputError."""
        super().__init__()
        prepare_torchvision()
        from torchvision import models

        whole = models.alexnet(weights=None) if net == "alex" else models.squeezenet1_1()
        load_into(whole, state, source)
        self.trunk = whole.features.eval()
        self.taps = _TAPS[net]
        self.heads = heads(net)
        self.shift = torch.tensor(_SHIFT)[:, None, None]
        self.scale = torch.tensor(_SCALE)[:, None, None]

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """See the class."""
        pairs = zip(self._features(first), self._features(second), self.heads, strict=True)
        return torch.stack([((a - b) ** 2 * head).sum(1).mean((1, 2)) for a, b, head in pairs]).sum(
            0
        )

    def _features(self, pictures: Tensor) -> list[Tensor]:
        x = (2 * pictures - 1 - self.shift) / self.scale
        found = []
        for index, layer in enumerate(self.trunk):
            x = layer(x)
            if index in self.taps:
                found.append(x / torch.sqrt(1e-8 + (x**2).sum(1, keepdim=True)))
            if index == self.taps[-1]:
                break
        return found


def heads(net: Net) -> list[Tensor]:
    """The learned weight of each feature, one (1, C, 1, 1) a tap. Raises InputError."""
    package = importlib.util.find_spec("torchmetrics")
    if package is None or not package.submodule_search_locations:
        raise InputError("LPIPS takes torchmetrics, which carries its heads; install it")
    folder = Path(package.submodule_search_locations[0]) / "functional/image/lpips_models"
    state = load_state(folder / f"{net}.pth")
    return [state[f"lin{index}.model.1.weight"] for index in range(len(_TAPS[net]))]


@functools.lru_cache(maxsize=2)
def network(net: Net, path: Path) -> Lpips:
    """The network from the trunk's file. Raises InputError."""
    return Lpips(net, load_state(path), path)


def _distances(net: Net, path: Path) -> Callable[[Pictures, Pictures], F64]:
    def measure(a: Pictures, b: Pictures) -> F64:
        with torch.inference_mode():
            return network(net, path)(to_tensor(a), to_tensor(b)).double().numpy()

    return measure


def lpips(net: Net) -> Measure:
    """The metric with one of its trunks."""
    weights = _TRUNK[net]
    return Measure(
        definition=Definition(
            name=f"lpips_{net}",
            family="Pictures",
            title=f"LPIPS ({net})",
            direction="lower",
            unit="",
            range="0 and up",
            formula="mean over sampled frames of the weighted squared distance of unit-length "
            "features at each tap",
            source="Zhang et al. 2018 (arXiv 1801.03924), heads v0.1; torchmetrics 1.9.0",
            status="paper",
            divergences="Trunks are not comparable with each other: alex is what is mostly "
            "reported, vgg in training papers.",
        ),
        of=lambda pair: frame_mean(pair, _distances(net, pair.generated.settings.weights[weights])),
        steps=(LPIPS,),
        weights=(weights,),
    )


PLACE = 130
METRICS = (lpips("alex"), lpips("squeeze"))
