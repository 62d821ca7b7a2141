"""All metrics and features, in the order that tables show them."""

import re
from collections.abc import Sequence

from typing_extensions import TypeIs

from eval.metrics.degradation import Degradation
from eval.metrics.face_distance import FACE_DISTANCE, FaceFeature
from eval.metrics.fid import FID, KID, InceptionPool3
from eval.metrics.fvd import I3dLogits, fvd
from eval.metrics.interface import ClipMetric, Definition, Feature, SetMetric
from eval.metrics.lpips import lpips
from eval.metrics.pictures import MS_SSIM, PSNR, SSIM
from eval.metrics.smoothness import FLICKER, HEAD_JERK
from eval.metrics.speed import REAL_TIME_FACTOR
from manifests.errors import InputError

FEATURES: tuple[Feature, ...] = (InceptionPool3(), I3dLogits(16), I3dLogits(32), FaceFeature())

# Metrics of one feature stand together: its rows are then read once.
SET_METRICS: tuple[SetMetric, ...] = (
    FID,
    KID,
    Degradation(25),
    Degradation(50),
    fvd(16),
    fvd(32),
    FACE_DISTANCE,
)

CLIP_METRICS: tuple[ClipMetric, ...] = (
    PSNR,
    SSIM,
    MS_SSIM,
    lpips("alex"),
    lpips("squeeze"),
    FLICKER,
    HEAD_JERK,
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
            raise InputError(f"no metric is named {word!r}; there are {', '.join(known)}")
        chosen.update(matching)
    return [name for name in known if name in chosen]
