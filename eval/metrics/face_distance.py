"""FID's proxy without large weights: the Fréchet distance of MobileFaceNet's face features."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dawn.features.identity import MobileFaceNet, align_112, five_points
from eval.clips import Clip
from eval.metrics.interface import Definition, Excluded, Features, Reason
from eval.metrics.set_distances import SetDistance, frechet

FEATURE = "mfn128"


@functools.lru_cache(maxsize=1)
def mobilefacenet(path: Path) -> MobileFaceNet:
    """The network from a file, once a process. Raises InputError."""
    return MobileFaceNet(path)


def face_embeddings(clip: Clip) -> Features:
    """MobileFaceNet's unit vectors (n, 128) of the sampled frames; NaN where there is no face.

    Shared by all metrics that ask; the weights must be there.
    """
    return clip.once("mobilefacenet", lambda: _embed(clip))


def _embed(clip: Clip) -> Features:
    net = mobilefacenet(clip.settings.weights["mobilefacenet"])
    found, points = clip.face_found, clip.landmarks
    indices = iter(clip.sampled_indices)
    rows = np.full((len(clip.sampled_indices), 128), np.nan, np.float32)
    at = 0
    for chunk in clip.sampled():
        for picture, index in zip(chunk, indices, strict=False):
            if found[index]:
                crop = align_112(picture, five_points(points[index]))
                rows[at] = net.embed(crop[np.newaxis])[0]
            at += 1
    return rows


@dataclass(frozen=True)
class FaceFeature:
    """128 numbers for each sampled frame with a face."""

    name: str = FEATURE
    weights: tuple[str, ...] = ("mobilefacenet",)
    version: int = 1

    def extract(self, clip: Clip) -> Features | Excluded:
        """(n, 128)"""
        rows = face_embeddings(clip)
        known = rows[np.isfinite(rows[:, 0])]
        return known if len(known) else Excluded(Reason.NO_FACE)


FACE_DISTANCE = SetDistance(
    Definition(
        name="fid_mfn128",
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
