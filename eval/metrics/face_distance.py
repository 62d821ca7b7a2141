"""FID's proxy without large weights: the Fréchet distance of MobileFaceNet's face features."""

from dataclasses import dataclass

import numpy as np

from eval.metrics.embeddings import FACES, embeddings
from eval.metrics.interface import Definition, Excluded, Features, Reason
from eval.metrics.set_distances import SetDistance, frechet
from eval.metrics.steps import Step
from eval.protocol.clips import Clip

FEATURE = "mfn128"


@dataclass(frozen=True)
class FaceFeature:
    """128 numbers for each sampled frame with a face."""

    name: str = FEATURE
    weights: tuple[str, ...] = ("mobilefacenet",)
    steps: tuple[Step, ...] = (FACES["mobilefacenet"],)
    version: int = 1

    def extract(self, clip: Clip) -> Features | Excluded:
        """(n, 128)"""
        rows = embeddings(clip, "mobilefacenet")
        known = rows[np.isfinite(rows[:, 0])]
        return known if len(known) else Excluded(Reason.NO_FACE)


FACE_DISTANCE = SetDistance(
    Definition(
        name="fid_mfn128",
        family="Identity",
        headline=True,
        title="FD (MobileFaceNet)",
        direction="lower",
        unit="",
        range="0 to 4",
        formula="Fréchet distance over MobileFaceNet's 128 numbers of the aligned faces in the "
        "sampled frames",
        source="ours; network of foamliu/MobileFaceNet",
        status="proxy",
        divergences="Not FID: it sees the face alone, aligned, and who it is more than how "
        "sharp it is. 128 dimensions need fewer frames.",
    ),
    FEATURE,
    frechet,
)
"""Fréchet distance of aligned faces' features."""

PLACE = 40
FEATURES = (FaceFeature(),)
METRICS = (FACE_DISTANCE,)
