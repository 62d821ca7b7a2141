"""M-LMD and F-LMD: how far face landmarks are from the real clip's of the same time."""

import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.alignment import similarity
from dawn.features.faces.landmarks import to_68
from eval.metrics.interface import Definition, Excluded, Family, Measure, Reason, Value
from eval.metrics.presence import face_fault
from eval.metrics.steps import LANDMARKS, LATER
from eval.protocol.clips import Pair

STABLE = (27, 28, 29, 30, 36, 39, 42, 45)
"""Points of the 68 that speech leaves in place: bridge of the nose, corners of the eyes."""

MOUTH = tuple(range(48, 68))
ALL = tuple(range(68))

F64 = NDArray[np.float64]


def landmark_distance(generated: F64, real: F64, chosen: tuple[int, ...]) -> float:
    """Mean distance of the chosen ones of 68 points (68, 2) in units of the real face's distance
    of outer eye corners, after the similarity transform that lays the stable points together.
    """
    stable = list(STABLE)
    scale, rotation, shift = similarity(generated[stable], real[stable], np.ones(len(stable)))
    laid = scale * generated @ rotation.T + shift
    gaps = np.linalg.norm(laid[list(chosen)] - real[list(chosen)], axis=1)
    return float(gaps.mean() / np.linalg.norm(real[36] - real[45]))


def distance_of(pair: Pair, chosen: tuple[int, ...]) -> Value | Excluded:
    """Mean over the frames in which both have a face."""
    for clip in (pair.generated, pair.reference):
        fault = face_fault(clip)
        if fault is not None:
            return Excluded(fault)
    own, real = (
        to_68(c.landmarks)[..., :2].astype(np.float64) for c in (pair.generated, pair.reference)
    )
    both = np.flatnonzero(pair.generated.face_found & pair.reference.face_found)
    both = both[both >= pair.generated.settings.card.skip_first]
    if not len(both):
        return Excluded(Reason.FEW_FACES)
    gaps = [landmark_distance(own[t], real[t], chosen) for t in both]
    return Value(float(np.mean(gaps)), None, len(gaps))


def _definition(name: str, title: str, points: str, family: Family) -> Definition:
    return Definition(
        name=name,
        family=family,
        headline=name == "m_lmd_iod",
        title=title,
        direction="lower",
        unit="distances of the outer eye corners",
        range="0 and up",
        formula=f"mean over frames and {points} of |q - p| / |p36 - p45|, p the real point, q the "
        "generated one after the similarity transform that fits nose bridge and eye corners",
        source="Chen et al. 2018 (LMD), normalised; 68 points of MediaPipe's mesh",
        status="proxy",
        divergences="Often in pixels, without alignment, and some take the mean difference of "
        "coordinates. The transform takes out shift, scale and roll, not yaw and pitch: free head "
        "motion is punished.",
    )


M_LMD = Measure(
    definition=_definition("m_lmd_iod", "M-LMD", "the 20 mouth points", "Lip sync"),
    of=lambda pair: distance_of(pair, MOUTH),
    steps=(LANDMARKS, LATER),
)
F_LMD = Measure(
    definition=_definition("f_lmd_iod", "F-LMD", "all 68 points", "Motion"),
    of=lambda pair: distance_of(pair, ALL),
    steps=(LANDMARKS, LATER),
)

PLACE = 110
METRICS = (M_LMD, F_LMD)
