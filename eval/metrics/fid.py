"""FID and KID on Inception-2015 features."""

from collections.abc import Sequence
from dataclasses import dataclass

from dawn.device import batch_on, exact
from eval.metrics.batches import BATCH, Pictures, across
from eval.metrics.interface import Definition, Excluded, Features, Reason
from eval.metrics.set_distances import KERNEL_ROWS, SetDistance, frechet, kernel
from eval.metrics.steps import SAMPLED, Step
from eval.protocol.clips import Clip

FEATURE = "inception_pool3"
INCEPTION = Step(
    name="inception", libraries=("pytorch-fid", "torch", "torchvision"), after=(SAMPLED,)
)

_PICTURE_BYTES, _MOST = 48 * 2**20, 128
"""What the network holds of a picture of 299 px while it computes, and the pictures at once."""


@dataclass(frozen=True)
class InceptionPool3:
    """2048 numbers for each sampled frame."""

    name: str = FEATURE
    weights: tuple[str, ...] = ("fid_inception",)
    steps: tuple[Step, ...] = (INCEPTION,)
    version: int = 1
    batch: int = BATCH
    """On the CPU; on a GPU as many as its memory allows."""

    def extract(self, clip: Clip) -> Features | Excluded:
        """(n, 2048)"""
        return self.extract_all([clip])[0]

    def extract_all(self, clips: Sequence[Clip]) -> list[Features | Excluded]:
        """See Feature."""
        from eval.metrics import networks

        settings = clips[0].settings
        device = settings.place.device
        net = networks.inception(settings.weights["fid_inception"], device)
        size = batch_on(settings.place, _PICTURE_BYTES, on_cpu=self.batch, most=_MOST)

        def run(pictures: Pictures) -> Features:
            with exact():
                return net(networks.to_tensor(pictures, device)).cpu().numpy()

        rows = across(run, [clip.sampled() for clip in clips], size)
        return [of if len(of) else Excluded(Reason.TOO_SHORT) for of in rows]


FID = SetDistance(
    Definition(
        name="fid_incep2015",
        family="Pictures",
        headline=True,
        title="FID",
        direction="lower",
        unit="",
        range="0 and up",
        formula="|m1 - m2|² + Tr(S1 + S2 - 2 (S1 S2)^½) over pool3 rows of the sampled frames",
        source="Heusel et al. 2017 (arXiv 1706.08500); network and preprocessing of pytorch-fid "
        "0.3.0: bilinear to 299 without antialias, [-1, 1]",
        status="paper",
        divergences="clean-fid resizes bicubic with antialias, torchmetrics as TF1 did. Papers "
        "rarely say which frames: the card says it (`skip_first`, `stride`, `size`). Biased "
        "upwards by about 1/n.",
    ),
    FEATURE,
    frechet,
)
"""Fréchet Inception distance."""

KID = SetDistance(
    Definition(
        name="kid_incep2015",
        family="Pictures",
        title="KID",
        direction="lower",
        unit="",
        range="about 0 and up",
        formula="unbiased MMD² with the kernel (x·y / 2048 + 1)³ over pool3 rows",
        source="Bińkowski et al. 2018 (arXiv 1801.01401)",
        status="paper",
        divergences="Usually a mean over random subsets of 1000 rows, with their deviation; here "
        f"all rows at once, above {2 * KERNEL_ROWS} a side evenly spaced ones: no randomness.",
    ),
    FEATURE,
    kernel,
)
"""Kernel Inception distance."""

PLACE = 10
FEATURES = (InceptionPool3(),)
METRICS = (FID, KID)
