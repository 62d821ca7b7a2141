"""FID and KID on Inception-2015 features."""

from dataclasses import dataclass

import numpy as np
import torch

from eval.metrics.interface import Definition, Excluded, Features, Reason
from eval.metrics.networks import BATCH, INCEPTION, batches, inception, to_tensor
from eval.metrics.set_distances import KERNEL_ROWS, SetDistance, frechet, kernel
from eval.metrics.steps import Step
from eval.protocol.clips import Clip

FEATURE = "inception_pool3"


@dataclass(frozen=True)
class InceptionPool3:
    """2048 numbers for each sampled frame."""

    name: str = FEATURE
    weights: tuple[str, ...] = ("fid_inception",)
    steps: tuple[Step, ...] = (INCEPTION,)
    version: int = 1
    batch: int = BATCH

    def extract(self, clip: Clip) -> Features | Excluded:
        """(n, 2048)"""
        net = inception(clip.settings.weights["fid_inception"])
        with torch.inference_mode():
            rows = [net(to_tensor(b)).numpy() for b in batches(clip.sampled(), self.batch)]
        return np.concatenate(rows) if rows else Excluded(Reason.TOO_SHORT)


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
