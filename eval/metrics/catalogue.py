"""All metrics and features, in the order that tables show them.

Each metric's file declares what it adds; so does every module that an installed distribution names
in the entry-point group `dawn.metrics`. docs/extending.md adds one step by step.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import ModuleType

from typing_extensions import TypeIs

from eval.metrics.interface import ClipMetric, Definition, Feature, Measure, SetMetric
from eval.metrics.steps import Step, all_steps
from manifests.errors import InputError
from manifests.plugins import modules

_LAST = 1000
"""The place of metrics that declare none."""


def is_set(metric: SetMetric | ClipMetric) -> TypeIs[SetMetric]:
    """Whether it is a set metric."""
    return hasattr(metric, "feature")


def _declaring() -> list[ModuleType]:
    """The modules that declare metrics, ours and plug-ins', by place."""
    found = modules(
        "eval.metrics", "dawn.metrics", leave_out=("catalogue", "networks", "rating_networks")
    )
    own = [m for m in found if hasattr(m, "METRICS") or not m.__name__.startswith("eval.metrics.")]
    return sorted(own, key=lambda module: getattr(module, "PLACE", _LAST))


def _metrics(module: ModuleType) -> list[SetMetric | ClipMetric]:
    """What a module declares. Raises InputError, naming it, for what is no metric."""
    entries = getattr(module, "METRICS", None)
    if not isinstance(entries, Sequence) or not entries:
        raise InputError(f"{module.__name__}.METRICS: must list the metrics that the module adds")
    for entry in entries:
        whole = isinstance(entry, Measure) or all(
            hasattr(entry, name) for name in ("feature", "distance")
        )
        if not whole or not isinstance(entry.definition, Definition):
            raise InputError(
                f"{module.__name__}.METRICS: {entry!r:.100} is no metric; give a Measure, or what "
                "has a definition, a feature and a distance"
            )
    return list(entries)


def _unique(found: list[SetMetric | ClipMetric]) -> list[SetMetric | ClipMetric]:
    names = [metric.definition.name for metric in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"two metrics are named {min(twice)!r}; names must differ")
    return found


_MODULES = _declaring()
_ALL = _unique([metric for module in _MODULES for metric in _metrics(module)])
FEATURES: tuple[Feature, ...] = tuple(
    feature for module in _MODULES for feature in getattr(module, "FEATURES", ())
)
SET_METRICS: tuple[SetMetric, ...] = tuple(metric for metric in _ALL if is_set(metric))
CLIP_METRICS: tuple[ClipMetric, ...] = tuple(metric for metric in _ALL if not is_set(metric))
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
