"""Under what a metric's numbers are made: its version, the steps it stands on, the card's fields,
the weights and the libraries behind them. Each metric has its own, and its hash is in its rows.

Numbers of one metric are comparable under one hash. A weights file, a library or a metric that had
no part in a number is not in its conditions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dawn.weights import State, status
from dawn.weights_registry import REGISTRY
from eval.metrics.catalogue import (
    FEATURES,
    METRICS,
    feature_named,
    is_set,
    steps_of,
    steps_to,
    weights_of,
)
from eval.metrics.interface import ClipMetric, Feature, SetMetric, Status
from eval.metrics.steps import Step, installed
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import ClipSettings
from manifests.config import as_dict, diff, stable_hash
from manifests.errors import InputError

NOT_REGISTERED = "weights are not the registered file"
NO_DIGEST = "no sha256 is registered to hold the weights against"

BY_NAME: Mapping[str, SetMetric | ClipMetric] = {m.definition.name: m for m in METRICS}

OTHER_CONDITIONS = "made under other conditions"

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class WeightUse:
    """One weights file that metrics may use, and why its numbers may not be the paper's."""

    path: Path
    sha256: str
    doubt: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a metric's numbers are worth, and the hash of what they are made under."""

    status: Status | Literal["unavailable"]
    reason: str | None
    """Why they are not what its definition says, or why there are none."""
    hash: str | None
    """None where there are none."""


def _libraries() -> dict[str, str]:
    steps = [steps_of(metric) for metric in METRICS] + [steps_to(feature) for feature in FEATURES]
    names = {name for found in steps for step in found.values() for name in step.libraries}
    return {name: installed(name) for name in sorted(names)}


@dataclass(frozen=True, slots=True)
class Conditions:
    """Everything that may decide a number but the videos."""

    card: ProtocolCard
    weights: Mapping[str, WeightUse]
    absent: Mapping[str, str]
    """Weights that cannot be used -> why."""
    libraries: Mapping[str, str] = field(default_factory=_libraries)
    """Name -> version."""

    @classmethod
    def resolve(cls, card: ProtocolCard, trusted: Iterable[str] = ()) -> "Conditions":
        """Look for the weights of every metric. `trusted` names weights whose file may differ
        from the registered one: they are used, and their numbers are proxies.

        Raises InputError for a trusted name that is not registered.
        """
        trusted = set(trusted)
        for name in sorted(trusted - REGISTRY.keys()):
            raise InputError(
                f"--trust-weights {name}: no such weights; `dawn weights list` names them"
            )
        found: dict[str, WeightUse] = {}
        absent: dict[str, str] = {}
        for name in sorted({name for metric in METRICS for name in weights_of(metric)}):
            state = status(name)
            doubt = {State.MISMATCH: NOT_REGISTERED, State.UNVERIFIED: NO_DIGEST}.get(state.state)
            usable = state.usable or (state.state is State.MISMATCH and name in trusted)
            if usable and state.path is not None:
                found[name] = WeightUse(state.path, state.sha256 or "folder", doubt)
            else:
                absent[name] = f"weights {name}: {state.reason}"
        return cls(card, found, absent)

    def of(self, metric: str) -> dict[str, Any]:
        """What decides a metric's numbers, as plain values. Its weights must be there."""
        found = BY_NAME[metric]
        version = found.definition.version
        return {"version": version} | self._behind(steps_of(found), weights_of(found))

    def of_feature(self, feature: Feature) -> dict[str, Any]:
        """What decides a feature's rows."""
        return self._behind(steps_to(feature), feature.weights)

    def _behind(self, steps: Mapping[str, Step], weights: Sequence[str]) -> dict[str, Any]:
        card = self.card.deciding
        fields = sorted({name for step in steps.values() for name in step.card})
        libraries = sorted({name for step in steps.values() for name in step.libraries})
        return {
            "steps": {name: step.version for name, step in steps.items()},
            "card": {name: card[name] for name in fields},
            "weights": {name: self.weights[name].sha256 for name in sorted(weights)},
            "libraries": {name: self.libraries[name] for name in libraries},
        }

    def as_dict(self, metrics: Iterable[str]) -> dict[str, Any]:
        """Plain values: the content of `protocol.yaml` for metrics whose weights are there."""
        chosen = set(metrics)
        used = [m for name, m in BY_NAME.items() if name in chosen]
        features = sorted({metric.feature for metric in used if is_set(metric)})
        return {
            "card": as_dict(self.card),
            "metrics": {m.definition.name: self.of(m.definition.name) for m in used},
            "features": {name: self.of_feature(feature_named(name)) for name in features},
        }

    def settings(self, metrics: Iterable[str]) -> ClipSettings:
        """What measurements of these metrics need to know, and no weights but theirs."""
        needed = {name for metric in metrics for name in weights_of(BY_NAME[metric])}
        return ClipSettings(
            card=self.card,
            weights={name: use.path for name, use in self.weights.items() if name in needed},
        )

    def standing(self, metric: str) -> Standing:
        """What a number of this metric is worth here."""
        found = BY_NAME[metric]
        needed = weights_of(found)
        for name in needed:
            if name in self.absent:
                return Standing("unavailable", self.absent[name], None)
        behind = {library for step in steps_of(found).values() for library in step.libraries}
        lacking = sorted(library for library in behind if self.libraries[library] == "absent")
        if lacking:
            return Standing("unavailable", f"not installed: {', '.join(lacking)}", None)
        made = hash_of(metric, self.of(metric))
        doubts = [doubt for name in needed if (doubt := self.weights[name].doubt)]
        if found.definition.status == "proxy":
            return Standing("proxy", "; ".join(["a stand-in of its own name", *doubts]), made)
        if doubts:
            return Standing("proxy", doubts[0], made)
        return Standing(found.definition.status, None, made)

    def standings(self, metrics: Iterable[str]) -> dict[str, Standing]:
        """The same of several."""
        return {name: self.standing(name) for name in metrics}

    def others(self, record: Mapping[str, Any], metrics: Iterable[str]) -> dict[str, list[str]]:
        """Of these metrics those that a record (`as_dict`) has under other conditions, themselves
        or their features, and what differs.
        """
        here = [name for name in metrics if self.standing(name).hash is not None]
        now = self.as_dict(here)
        found = differing(record["metrics"], now["metrics"])
        features = differing(record["features"], now["features"])
        for name in here:
            metric = BY_NAME[name]
            if is_set(metric) and metric.feature in features:
                found.setdefault(name, features[metric.feature])
        return found

    def require_same(self, record: Mapping[str, Any], metrics: Iterable[str], where: str) -> None:
        """Raise InputError with what differs from the conditions that another run wrote down."""
        lines = described(self.others(record, metrics))
        if lines:
            raise InputError(
                f"{where}: {'; '.join(lines)}; give the same weights and libraries, a card's file, "
                "or leave these metrics out with --metrics"
            )


def networks_in(conditions: Mapping[str, Any]) -> set[str]:
    """Of the libraries behind a metric those that run networks on the device asked for. The device
    is no condition: it moves numbers by rounding alone (`dawn.device.TOLERANCE`).
    """
    return {"torch", "onnxruntime"}.intersection(conditions["libraries"])


def hash_of(name: str, conditions: Mapping[str, Any]) -> str:
    """16 hex digits of the conditions of a metric or feature."""
    return stable_hash([name, conditions])


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names that both records have with other conditions, and what differs, one line each."""
    found = {name: diff(before[name], new) for name, new in after.items() if name in before}
    return {name: lines for name, lines in found.items() if lines}


def described(differences: Mapping[str, Sequence[str]]) -> list[str]:
    """Metrics and what differs, in one line for all that differ alike."""
    alike: dict[str, list[str]] = {}
    for name, lines in differences.items():
        alike.setdefault(", ".join(lines[:_SHOWN]), []).append(name)
    return [f"{', '.join(names)}: {OTHER_CONDITIONS} ({lines})" for lines, names in alike.items()]
