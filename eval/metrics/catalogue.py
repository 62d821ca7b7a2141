"""All metrics and features, in the order that tables show them."""

from eval.metrics.interface import ClipMetric, Feature, SetMetric

CLIP_METRICS: tuple[ClipMetric, ...] = ()

SET_METRICS: tuple[SetMetric, ...] = ()

FEATURES: tuple[Feature, ...] = ()
