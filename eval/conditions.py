"""Under what numbers are made: the card, the metrics' versions, the weights. Hashed together.

Numbers of different conditions are never comparable, so the hash of all this stands in every row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dawn.weights import State, status
from dawn.weights_registry import REGISTRY
from eval.clips import Settings
from eval.metrics.catalogue import FEATURES, METRICS, weights_of
from eval.metrics.interface import ClipMetric, SetMetric
from eval.protocol import ProtocolCard
from manifests.config import as_dict, diff, stable_hash
from manifests.errors import InputError

Standing = Literal["paper", "proxy", "unavailable"]

NOT_REGISTERED = "weights are not the registered file"
NO_DIGEST = "no sha256 is registered to hold the weights against"


@dataclass(frozen=True, slots=True)
class WeightUse:
    """One weights file that metrics may use, and why its numbers may not be the paper's."""

    path: Path
    sha256: str
    doubt: str | None


@dataclass(frozen=True, slots=True)
class Conditions:
    """Everything that decides a number but the videos."""

    card: ProtocolCard
    weights: Mapping[str, WeightUse]
    absent: Mapping[str, str]
    """Weights that cannot be used -> why."""

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

    def as_dict(self) -> dict[str, Any]:
        """Plain values: the content of `protocol.yaml`."""
        return {
            "card": as_dict(self.card),
            "metrics": {m.definition.name: m.definition.version for m in METRICS},
            "features": {feature.name: feature.version for feature in FEATURES},
            "weights": {name: use.sha256 for name, use in self.weights.items()},
        }

    @property
    def hash(self) -> str:
        """16 hex digits."""
        return stable_hash(self.as_dict())

    @property
    def settings(self) -> Settings:
        """What measurements need to know."""
        return Settings(
            card=self.card, weights={name: use.path for name, use in self.weights.items()}
        )

    def standing(self, metric: SetMetric | ClipMetric) -> tuple[Standing, str | None]:
        """What a number of this metric is worth here, and why it is not the paper's."""
        needed = weights_of(metric)
        for name in needed:
            if name in self.absent:
                return "unavailable", self.absent[name]
        doubts = [self.weights[name].doubt for name in needed if self.weights[name].doubt]
        if metric.definition.status == "proxy":
            return "proxy", "; ".join(["a stand-in of its own name", *filter(None, doubts)])
        return ("proxy", doubts[0]) if doubts else ("paper", None)

    def require_same(self, whole: Mapping[str, Any], where: str) -> None:
        """Raise InputError with the differences from the conditions another run wrote down."""
        differences = diff(whole, self.as_dict())
        if differences:
            raise InputError(
                f"{where}: its numbers were made under other conditions "
                f"({'; '.join(differences[:5])}); give the same weights, or a card's file"
            )
