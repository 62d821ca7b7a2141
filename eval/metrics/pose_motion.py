"""Head motion: how much there is, and how its poses are spread against real people's."""

from dataclasses import dataclass

import numpy as np

from eval.metrics.interface import Definition, Excluded, Features, Measure
from eval.metrics.presence import Number, begin, face_fault, of_one
from eval.metrics.set_distances import SetDistance, frechet
from eval.metrics.steps import LATER, POSE, Step
from eval.protocol.clips import Clip

FEATURE = "pose3"


@dataclass(frozen=True)
class PoseFeature:
    """Yaw, pitch and roll in degrees of each frame with a face, from `skip_first` on."""

    name: str = FEATURE
    weights: tuple[str, ...] = ()
    steps: tuple[Step, ...] = (POSE, LATER)
    version: int = 1

    def extract(self, clip: Clip) -> Features | Excluded:
        """(n, 3)"""
        fault = face_fault(clip)
        if fault is not None:
            return Excluded(fault)
        return angles_of(clip)


def angles_of(clip: Clip) -> Features:
    """Yaw, pitch, roll in degrees (n, 3) of the frames with a face from `skip_first` on."""
    angles = clip.pose[begin(clip) :, :3]
    return np.asarray(angles[np.isfinite(angles).all(axis=1)], dtype=np.float32)


def pose_std(clip: Clip) -> Number | Excluded:
    """Standard deviation over time of yaw, pitch and roll, averaged, in degrees."""
    fault = face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    angles = angles_of(clip).astype(np.float64)
    return float(angles.std(axis=0).mean()), len(angles)


FD_POSE = SetDistance(
    Definition(
        name="fd_pose",
        family="Motion",
        headline=True,
        title="FD (head pose)",
        direction="lower",
        unit="degree²",
        range="0 and up",
        formula="Fréchet distance over (yaw, pitch, roll) of all frames",
        source="ours, on dawn.features.faces.pose",
        status="own",
        divergences="Says whether heads are turned as real ones are, not how they move in time: "
        "for that there are `pose_std` and `head_jerk`.",
    ),
    FEATURE,
    frechet,
)
"""Fréchet distance of head poses."""

POSE_STD = Measure(
    definition=Definition(
        name="pose_std",
        family="Motion",
        title="Head-motion diversity",
        direction="closer",
        unit="degree",
        range="0 and up",
        formula="mean over yaw, pitch, roll of the standard deviation over time",
        source="SadTalker's diversity of head motion (arXiv 2211.12194), on "
        "dawn.features.faces.pose",
        status="proxy",
        divergences="SadTalker takes the deviation of Hopenet's features, in other units. More is "
        "not better: jitter counts too.",
    ),
    of=of_one(pose_std, against_real=True),
    steps=(POSE, LATER),
    paired=False,
)

PLACE = 150
FEATURES = (PoseFeature(),)
METRICS = (FD_POSE, POSE_STD)
