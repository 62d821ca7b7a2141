"""All metrics and features, in the order that tables show them."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from typing_extensions import TypeIs

from eval.metrics.active_speaking import ASD_MARGIN
from eval.metrics.beat_alignment import beat_alignment
from eval.metrics.blinks import BLINK_RATE, BLINK_RATE_DISTANCE
from eval.metrics.csim import csim
from eval.metrics.degradation import Degradation
from eval.metrics.expression import FD_EXP10, ExpressionFeature
from eval.metrics.face_distance import FACE_DISTANCE, FaceFeature
from eval.metrics.face_rate import FACE_RATE
from eval.metrics.fid import FID, KID, InceptionPool3
from eval.metrics.fvd import I3dLogits, fvd
from eval.metrics.interface import ClipMetric, Definition, Feature, SetMetric
from eval.metrics.landmark_distance import F_LMD, M_LMD
from eval.metrics.lip_audio import LIP_AUDIO_CORR, LIP_AUDIO_LAG
from eval.metrics.lip_sync import lip_sync
from eval.metrics.lpips import lpips
from eval.metrics.pictures import MS_SSIM, PSNR, SSIM
from eval.metrics.pose_motion import FD_POSE, POSE_STD, PoseFeature
from eval.metrics.smoothness import FLICKER, HEAD_JERK
from eval.metrics.speed import REAL_TIME_FACTOR
from eval.metrics.steps import Step, all_steps
from eval.metrics.theval import (
    SILENT_LIP_STABILITY,
    THL_EYEBROW_DYNAMICS,
    THL_HEAD_MOTION,
    THL_LIP_DYNAMICS,
    THL_LIPSYNC,
)
from manifests.errors import InputError

FEATURES: tuple[Feature, ...] = (
    InceptionPool3(),
    I3dLogits(16),
    I3dLogits(32),
    FaceFeature(),
    PoseFeature(),
    ExpressionFeature(),
)

# Metrics of one feature stand together: its rows are then read once.
SET_METRICS: tuple[SetMetric, ...] = (
    FID,
    KID,
    Degradation(25),
    Degradation(50),
    fvd(16),
    fvd(32),
    FACE_DISTANCE,
    FD_POSE,
    FD_EXP10,
)

CLIP_METRICS: tuple[ClipMetric, ...] = (
    lip_sync("lse_c", "tracked"),
    lip_sync("lse_d", "tracked"),
    lip_sync("av_offset", "tracked"),
    lip_sync("lse_zero", "tracked"),
    lip_sync("lse_c", "wholeframe"),
    lip_sync("lse_d", "wholeframe"),
    lip_sync("av_offset", "wholeframe"),
    lip_sync("lse_zero", "wholeframe"),
    ASD_MARGIN,
    LIP_AUDIO_CORR,
    LIP_AUDIO_LAG,
    csim("arcface", "src"),
    csim("arcface", "gt"),
    csim("arcface", "drift"),
    csim("mobilefacenet", "src"),
    csim("mobilefacenet", "gt"),
    csim("mobilefacenet", "drift"),
    beat_alignment("a2m"),
    beat_alignment("m2a"),
    beat_alignment("null"),
    beat_alignment("gain"),
    BLINK_RATE,
    BLINK_RATE_DISTANCE,
    M_LMD,
    F_LMD,
    PSNR,
    SSIM,
    MS_SSIM,
    lpips("alex"),
    lpips("squeeze"),
    FLICKER,
    HEAD_JERK,
    POSE_STD,
    THL_LIP_DYNAMICS,
    THL_HEAD_MOTION,
    SILENT_LIP_STABILITY,
    THL_LIPSYNC,
    THL_EYEBROW_DYNAMICS,
    FACE_RATE,
    REAL_TIME_FACTOR,
)


METRICS: tuple[SetMetric | ClipMetric, ...] = (*SET_METRICS, *CLIP_METRICS)


def definitions() -> list[Definition]:
    """Of every metric, set metrics first."""
    return [metric.definition for metric in METRICS]


def names() -> list[str]:
    """Of every metric."""
    return [definition.name for definition in definitions()]


def feature_named(name: str) -> Feature:
    """The feature of that name."""
    (feature,) = [feature for feature in FEATURES if feature.name == name]
    return feature


def weights_of(metric: SetMetric | ClipMetric) -> tuple[str, ...]:
    """Names of the weights that a metric, or the feature it is computed from, needs."""
    return feature_named(metric.feature).weights if is_set(metric) else metric.weights


def steps_of(metric: SetMetric | ClipMetric) -> dict[str, Step]:
    """All that its numbers are made from, by name; of a set metric its feature is one of them."""
    return steps_to(feature_named(metric.feature)) if is_set(metric) else all_steps(metric.steps)


def steps_to(feature: Feature) -> dict[str, Step]:
    """The same of a feature, itself among them."""
    return all_steps([Step(name=feature.name, version=feature.version, after=feature.steps)])


def is_set(metric: SetMetric | ClipMetric) -> TypeIs[SetMetric]:
    """Whether it is a set metric."""
    return hasattr(metric, "feature")


def select(wanted: Sequence[str]) -> list[str]:
    """The names of the metrics asked for, in the catalogue's order: `all`, a name, or how names
    begin (`fid`, `fvd16`, `lse`). Raises InputError for what matches none.
    """
    known = names()
    chosen: set[str] = set()
    for word in wanted:
        begins = re.compile(rf"{re.escape(word)}(?=[_\d])")
        matching = [n for n in known if word in ("all", n) or begins.match(n)]
        if not matching:
            beginnings = {n[: at.start()] for n in known for at in re.finditer(r"[_\d]", n)}
            raise InputError(_unknown(word, [*known, *sorted(beginnings)]))
        chosen.update(matching)
    return [name for name in known if name in chosen]


def require_known(wanted: Iterable[str]) -> None:
    """Raise InputError for a name that no metric has."""
    for name in wanted:
        if name not in names():
            raise InputError(_unknown(name, names()))


def _unknown(name: str, choices: Sequence[str]) -> str:
    near = get_close_matches(name, choices)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"no metric is named {name!r}; {hint}there are {', '.join(names())}"
