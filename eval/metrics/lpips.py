"""LPIPS: distance of two pictures in the features of an ImageNet network (Zhang et al. 2018).

Agrees with torchmetrics' own LPIPS, which would download the trunk.
"""

from collections.abc import Callable
from typing import Literal

from dawn.device import batch_on, exact
from eval.metrics.batches import BATCH
from eval.metrics.interface import Definition, Excluded, Measure, Value
from eval.metrics.pictures import F64, Pictures, frame_mean
from eval.metrics.steps import SAMPLED, Step
from eval.protocol.clips import ClipSettings, Pair

Net = Literal["alex", "squeeze"]

_TRUNK = {"alex": "alexnet", "squeeze": "squeezenet"}
_PIXEL_BYTES, _MOST = 2048, 128
"""What a network holds of a pair of pictures while it computes, a pixel; and pairs at once."""

LPIPS = Step(name="lpips", libraries=("torch", "torchmetrics", "torchvision"), after=(SAMPLED,))


def _distances(net: Net, settings: ClipSettings) -> Callable[[Pictures, Pictures], F64]:
    from eval.metrics import networks

    device = settings.place.device
    network = networks.lpips(net, settings.weights[_TRUNK[net]], device)

    def measure(a: Pictures, b: Pictures) -> F64:
        with exact():
            first, second = (networks.to_tensor(side, device) for side in (a, b))
            return network(first, second).cpu().double().numpy()

    return measure


def _of(pair: Pair, net: Net) -> Value | Excluded:
    settings = pair.generated.settings
    size = batch_on(settings.place, _PIXEL_BYTES * settings.card.size**2, on_cpu=BATCH, most=_MOST)
    return frame_mean(pair, _distances(net, settings), size)


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
        of=lambda pair: _of(pair, net),
        steps=(LPIPS,),
        weights=(weights,),
    )


PLACE = 130
METRICS = (lpips("alex"), lpips("squeeze"))
