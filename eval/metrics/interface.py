"""What a metric is.

There are two kinds. A *clip metric* measures a pair of videos and gives a number; the number of
the set is made from the clips' numbers alone. A *set metric* (FID, FVD) has no number for a clip:
each clip gives rows of a *feature*, and the number is a distance between all generated rows and
all real ones. Numbers and features are stored per clip, so that any subset, shard or bootstrap
sample gives its exact number without running a network again.

A metric never returns 0, NaN or a guess where it could not measure: it returns `Excluded`.

A metric is one file of this package, or a plug-in (docs/extending.md), that declares `METRICS`,
`FEATURES` if it has any, and `PLACE`, its place in tables.
"""

import enum
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from eval.metrics.steps import Step
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, Pair
from eval.statistics.intervals import F64, Statistic, weighted_mean, weighted_median

Direction = Literal["higher", "lower", "closer"]
Status = Literal["paper", "own", "proxy"]
"""`paper`: the definition is a published one, and numbers compare with published numbers. `own`: a
measure of ours, exactly defined, without a published counterpart. `proxy`: stands in for a
published measure, under a name of its own.
"""
Family = Literal["Lip sync", "Identity", "Pictures", "Motion", "Speed and coverage", "Other"]
Features = NDArray[np.float32]
"""Rows of one clip, (n, d)."""


class Reason(enum.StrEnum):
    """Why a clip has no number for a metric. The codes are stored; `meaning` is for people."""

    NO_FACE = "no_face"
    FEW_FACES = "few_faces"
    NO_TRACK = "no_track"
    TOO_SHORT = "too_short"
    NO_SOUND = "no_sound"
    SILENT = "silent"
    NO_EVENTS = "no_events"
    FROZEN = "frozen"
    IDENTICAL = "identical"
    NO_COUNTERPART = "no_counterpart"
    NO_SOURCE = "no_source"
    NO_GENERATION = "no_generation"
    NOT_GENERATED = "not_generated"
    DIFFERENT_SHAPE = "different_shape"
    TOO_SMALL = "too_small"
    UNREADABLE = "unreadable"
    WORKER = "worker_failed"
    NOT_FINITE = "not_finite"
    INTERNAL = "internal_error"

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _MEANING[self]


_MEANING = {
    Reason.NO_FACE: "No face was found in any frame.",
    Reason.FEW_FACES: "A face was found in too few frames to measure it.",
    Reason.NO_TRACK: "No face of sufficient size could be followed for long enough.",
    Reason.TOO_SHORT: "The pair shares too few frames for this measure.",
    Reason.NO_SOUND: "The video has no sound.",
    Reason.SILENT: "The sound is silent throughout.",
    Reason.NO_EVENTS: "Nothing happened that could be measured, such as no audio beat.",
    Reason.FROZEN: "Nothing moves, and the measure is not defined there.",
    Reason.IDENTICAL: "Both videos are the same: better than any number.",
    Reason.NO_COUNTERPART: "The two videos of the pair do not show the same take.",
    Reason.NO_SOURCE: "The picture that the video was made from is gone, or has no face.",
    Reason.NO_GENERATION: "There are no generation times: the videos are not of a run.",
    Reason.NOT_GENERATED: "The system made no video for this clip.",
    Reason.DIFFERENT_SHAPE: "The two pictures differ in shape and cannot be laid over each other.",
    Reason.TOO_SMALL: "The protocol's pictures are too small for this measure.",
    Reason.UNREADABLE: "A video of the pair cannot be decoded.",
    Reason.WORKER: "The process that measured it died or hung at every attempt.",
    Reason.NOT_FINITE: "The measure gave no finite number.",
    Reason.INTERNAL: "An internal error; the clip's row has the message. Please report it.",
}


@dataclass(frozen=True, slots=True)
class Excluded:
    """This clip has no number: it is counted, with the reason, and left out."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Value:
    """A clip's number: of the generated video, and the same measure of the real one if it is a
    property of one video; `n` items (frames, windows) are behind it.
    """

    value: float
    reference: float | None = None
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a number means. docs/metrics.md is generated from these."""

    name: str
    """Stable, and different wherever the numbers are not comparable (network, variant)."""
    title: str
    direction: Direction
    """`closer`: nearer to the real clips' number is better."""
    unit: str
    range: str
    formula: str
    source: str
    """Paper or program that defines it."""
    status: Status
    """What its numbers are worth when its weights are the registered ones."""
    family: Family = "Other"
    """Under which choice of columns the leaderboard shows it."""
    headline: bool = False
    """Among the few columns that are shown first: the paper's, and their stand-ins."""
    divergences: str = ""
    """How others compute it differently."""
    version: int = 1
    """Goes up whenever the same videos would give another number."""

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest number there can be, as `range` says; infinite where it names
        none.
        """
        found = re.match(r"(-?[\d.]+) (?:and up|to (-?[\d.]+))", self.range)
        if found is None:
            return -math.inf, math.inf
        return float(found[1]), float(found[2]) if found[2] else math.inf


class ClipMetric(Protocol):
    """A number for each pair."""

    @property
    def definition(self) -> Definition:
        """What it means."""

    @property
    def weights(self) -> tuple[str, ...]:
        """Names in dawn.weights_registry, all needed; found in `Clip.settings.weights`."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """What its numbers are made from."""

    @property
    def paired(self) -> bool:
        """Whether it compares the two videos frame by frame or as the same take. Such metrics
        are not run where pairs are arbitrary (baseline real-split).
        """

    def measure(self, pair: Pair) -> Value | Excluded:
        """The pair's number. May raise UnreadableVideoError; nothing else for any video."""

    def combine(self, values: Sequence[Value]) -> float:
        """The set's number from at least one clip's; most are their mean."""


class Feature(Protocol):
    """What a clip is turned into for set metrics. Looks at one video alone."""

    @property
    def name(self) -> str:
        """Stable; the `feature` column."""

    @property
    def weights(self) -> tuple[str, ...]:
        """Names in dawn.weights_registry, all needed."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """What its rows are made from."""

    @property
    def version(self) -> int:
        """Goes up whenever the same video would give other rows."""

    def extract(self, clip: Clip) -> Features | Excluded:
        """Float32 rows (n, d), n >= 1. May raise UnreadableVideoError.

        A feature may also have `extract_all(clips)`, which gives the same of several clips of one
        settings; on a GPU it is asked for both videos of a pair at once, to fill batches.
        """


class SetMetric(Protocol):
    """A distance between the features of all generated clips and of all real ones."""

    @property
    def definition(self) -> Definition:
        """What it means."""

    @property
    def feature(self) -> str:
        """Name of the feature it is computed from."""

    def distance(
        self, generated: Iterable[Features], reference: Iterable[Features], card: ProtocolCard
    ) -> float:
        """The number. Each side gives one array a clip, in a fixed order; it may be larger than
        memory and can be iterated again. Raises TooFewError when it is too small.
        """


class TooFewError(ValueError):
    """A set is too small for a set metric; the message says what there is and what it takes."""


@dataclass(frozen=True, slots=True)
class Together:
    """How the set's number is made from the clips'. A metric uses one of these, or its own.

    Leaderboard and gate draw clips again and again: `statistic` gives the set's number as a
    function of how often each clip is drawn, and must agree with `combine`.
    """

    combine: Callable[[Sequence[Value]], float]
    """From at least one clip's values."""
    statistic: Callable[[F64, F64], Statistic]
    """From the clips' values (n,) and how many items are behind each (n,)."""
    sql: str
    """The same in SQL, over rows with the columns `{value}` and `n`."""


def _values(values: Sequence[Value]) -> F64:
    return np.array([value.value for value in values], dtype=np.float64)


def _pooled(values: Sequence[Value]) -> float:
    return float(np.average(_values(values), weights=[value.n for value in values]))


def _pooled_statistic(values: F64, items: F64) -> Statistic:
    signed = weighted_mean(values, items)
    return lambda times: np.abs(signed(times))


_POOLED_SQL = "sum({value} * n) / sum(n) FILTER ({value} IS NOT NULL)"

MEAN = Together(
    combine=lambda values: float(np.mean(_values(values))),
    statistic=lambda values, _: weighted_mean(values),
    sql="avg({value})",
)
"""Every clip weighs the same."""

POOLED_MEAN = Together(combine=_pooled, statistic=weighted_mean, sql=_POOLED_SQL)
"""A clip weighs as many items as are behind its number."""

MEDIAN = Together(
    combine=lambda values: float(np.median(_values(values))),
    statistic=lambda values, _: weighted_median(values),
    sql="median({value})",
)

POOLED_DISTANCE = Together(
    combine=lambda values: float(np.abs(_pooled(values))),
    statistic=_pooled_statistic,
    sql=f"abs({_POOLED_SQL})",
)
"""The size of a signed difference that is pooled first: exact, whatever the clips' lengths."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A clip metric that is one function of a pair."""

    definition: Definition
    of: Callable[[Pair], Value | Excluded]
    steps: tuple[Step, ...]
    weights: tuple[str, ...] = ()
    paired: bool = True
    together: Together = MEAN
    of_run: bool = False
    """Whether it is read from the rows of a run, which other systems' videos do not have."""

    def __post_init__(self) -> None:
        name = self.definition.name
        if not isinstance(self.together, Together):
            raise TypeError(f"metric {name}: together must be a Together, is {self.together!r}")
        if not callable(self.of):
            raise TypeError(f"metric {name}: of must be a function of a pair, is {self.of!r}")

    def measure(self, pair: Pair) -> Value | Excluded:
        """See ClipMetric."""
        return self.of(pair)

    def combine(self, values: Sequence[Value]) -> float:
        """See ClipMetric."""
        return self.together.combine(values)
