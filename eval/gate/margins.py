"""The gate: which metrics decide whether a checkpoint may ship, and how much each may fall."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from eval.metrics.catalogue import METRICS
from manifests.config import load, load_yaml

_NAMES = frozenset(metric.definition.name for metric in METRICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMetric:
    """A metric that decides. Its margin is in its own unit, or a share of the baseline's number;
    of both the larger counts, since a share of next to nothing is no margin.
    """

    metric: str
    margin: float | None = None
    relative: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in _NAMES:
            raise ValueError(f"there is no metric {self.metric!r}; docs/metrics.md has them")
        given = [value for value in (self.margin, self.relative) if value is not None]
        if not given or not all(0 < value < float("inf") for value in given):
            raise ValueError(f"{self.metric}: give margin, relative or both, above 0")

    def allowed(self, baseline: float) -> float:
        """The margin in the metric's unit."""
        return max(self.margin or 0.0, abs(baseline) * (self.relative or 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """When too many clips fall far though the mean holds."""

    margins: float = 3.0
    alpha: float = 0.01

    def __post_init__(self) -> None:
        if self.margins < 1 or not 0 < self.alpha < 1:
            raise ValueError("tail: margins must be at least 1, alpha in 0 … 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """Shares of the clips, 0 … 1, that may be lost against the baseline."""

    missing: float = 0.0
    unmeasured: float = 0.01
    length: float = 0.0
    frozen: float = 0.0
    frames: int = 2
    """How much longer or shorter than the real clip a video may be."""

    def __post_init__(self) -> None:
        shares = (self.missing, self.unmeasured, self.length, self.frozen)
        if not all(0 <= share <= 1 for share in shares) or self.frames < 0:
            raise ValueError("validity: shares lie in 0 … 1, frames is not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How much slower generation may become; None: it is not judged."""

    slowdown: float | None = 0.1

    def __post_init__(self) -> None:
        if self.slowdown is not None and self.slowdown <= 0:
            raise ValueError("speed: slowdown must be above 0, or null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Everything that decides; YAML of the same names."""

    name: str
    version: int = 1
    alpha: float = 0.05
    min_clips: int = 10
    """With fewer common clips, or speakers where these are drawn, statistics decide nothing."""
    gates: tuple[GateMetric, ...]
    tail: Tail = Tail()
    validity: Validity = Validity()
    speed: Speed = Speed()

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha must lie in 0 … 0.5, got {self.alpha}")
        if self.min_clips < 2:
            raise ValueError(f"min_clips must be at least 2, got {self.min_clips}")
        names = [gate.metric for gate in self.gates]
        twice = {name for name in names if names.count(name) > 1}
        if twice or not names:
            raise ValueError(
                f"gates: {'no metric' if not names else f'{min(twice)} is there twice'}"
            )


def read_gate(file: Path | None) -> Gate:
    """A gate's file, or the one that ships. Raises InputError."""
    if file is not None:
        return load_yaml(Gate, file)
    return load(Gate, yaml.safe_load(shipped_gate()), "default gate")


def shipped_gate() -> str:
    """The YAML of the default gate, comments and all."""
    return (files("eval") / "gates" / "default.yaml").read_text(encoding="utf-8")
