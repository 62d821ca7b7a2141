"""All metrics and features, in the order that tables show them."""

from collections.abc import Sequence

from eval.metrics.degradation import Degradation
from eval.metrics.face_distance import FACE_DISTANCE, FaceFeature
from eval.metrics.fid import FID, KID, InceptionPool3
from eval.metrics.fvd import I3dLogits, fvd
from eval.metrics.interface import ClipMetric, Definition, Feature, SetMetric
from eval.metrics.lpips import lpips
from eval.metrics.pictures import MS_SSIM, PSNR, SSIM
from eval.metrics.smoothness import FLICKER, HEAD_JERK
from eval.metrics.speed import REAL_TIME_FACTOR

FEATURES: tuple[Feature, ...] = (InceptionPool3(), I3dLogits(16), I3dLogits(32), FaceFeature())

SET_METRICS: tuple[SetMetric, ...] = (
    FID,
    KID,
    fvd(16),
    fvd(32),
    Degradation(25),
    Degradation(50),
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


def definitions() -> list[Definition]:
    """Of every metric, set metrics first."""
    metrics: Sequence[SetMetric | ClipMetric] = (*SET_METRICS, *CLIP_METRICS)
    return [metric.definition for metric in metrics]


def weights_of(metric: SetMetric | ClipMetric) -> tuple[str, ...]:
    """Names of the weights that a metric, or the feature it is computed from, needs."""
    if not hasattr(metric, "feature"):
        return metric.weights
    (feature,) = [one for one in FEATURES if one.name == metric.feature]
    return feature.weights
