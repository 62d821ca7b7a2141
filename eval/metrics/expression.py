"""The spread of facial expressions against real people's: E-FID's relative with 3DDFA."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dawn.device import CPU, Placement
from dawn.features.faces.landmarks import to_68
from eval.metrics.interface import Definition, Excluded, Features, Reason
from eval.metrics.presence import face_fault
from eval.metrics.set_distances import SetDistance, frechet
from eval.metrics.steps import LANDMARKS, SAMPLED, Step
from eval.protocol.clips import Clip

if TYPE_CHECKING:  # torch takes a second to import
    from dawn.features.faces.threeddfa import ThreeDDFA

FEATURE = "exp10"
WEIGHTS = ("3ddfa_mb05", "3ddfa_mean_std")
EXPRESSION = slice(52, 62)
"""Of the 62 parameters: pose 12, shape 40, expression 10."""


@functools.lru_cache(maxsize=1)
def threeddfa(network: Path, statistics: Path, place: Placement = CPU) -> "ThreeDDFA":
    """The network from its files, once a process. Raises InputError."""
    from dawn.features.faces.threeddfa import ThreeDDFA

    return ThreeDDFA(network, statistics, place)


@dataclass(frozen=True)
class ExpressionFeature:
    """3DDFA's 10 expression coefficients of each sampled frame with a face, in standard
    deviations of its training set.
    """

    name: str = FEATURE
    weights: tuple[str, ...] = WEIGHTS
    steps: tuple[Step, ...] = (
        Step(name="3ddfa", libraries=("torch",), after=(SAMPLED, LANDMARKS)),
    )
    version: int = 1

    def extract(self, clip: Clip) -> Features | Excluded:
        """(n, 10)"""
        from dawn.features.faces.threeddfa import face_crop

        fault = face_fault(clip)
        if fault is not None:
            return Excluded(fault)
        network, statistics = (clip.settings.weights[name] for name in WEIGHTS)
        net = threeddfa(network, statistics, clip.settings.place)
        points = to_68(clip.landmarks)[..., :2]
        rows, at = [], 0
        for chunk in clip.sampled():
            crops = []
            for picture in chunk:
                index = clip.sampled_indices[at]
                at += 1
                if not clip.face_found[index]:
                    continue
                box = np.concatenate([points[index].min(axis=0), points[index].max(axis=0)])
                crops.append(face_crop(picture, box))
            if crops:
                rows.append(net.all_normalised(np.stack(crops))[:, EXPRESSION])
        return np.concatenate(rows) if rows else Excluded(Reason.FEW_FACES)


FD_EXP10 = SetDistance(
    Definition(
        name="fd_exp10",
        family="Motion",
        title="FD (expression)",
        direction="lower",
        unit="",
        range="0 and up",
        formula="Fréchet distance over 3DDFA_V2's 10 expression coefficients of the sampled "
        "frames, each in standard deviations of its training set",
        source="ours, after E-FID (EMO, arXiv 2402.17485); network of cleardusk/3DDFA_V2 (mb05)",
        status="proxy",
        divergences="E-FID takes 64 coefficients of Deep3DFaceRecon, and is itself computed "
        "differently by different authors.",
    ),
    FEATURE,
    frechet,
)
"""Fréchet distance of facial expressions."""

PLACE = 160
FEATURES = (ExpressionFeature(),)
METRICS = (FD_EXP10,)
