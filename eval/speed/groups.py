"""Systems whose times may be compared, and what their speed is drawn against."""

from dataclasses import dataclass

from eval.speed.runs import AtLength, Timed


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """A system that was timed."""

    timed: Timed
    place: int | None
    """Its row in the table; None where its quality was not measured."""
    price_per_hour: float | None
    cost_per_minute: float | None
    """Of video, made by one command; None without a price, or where time is not told from length.
    """

    @property
    def longest(self) -> AtLength:
        """Its runs of the longest voice."""
        return self.timed.lengths[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A system in a plot: work for a second of video, and a measure, each with its interval."""

    place: int
    system: str
    work: float
    work_low: float
    work_high: float
    value: float
    low: float | None
    high: float | None
    on_front: bool
    """No other system is as good and faster, or as fast and better, by the numbers alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A measure against speed."""

    metric: str
    points: list[Point]
    real: float | None
    """The real clips' number, where being near it is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchGroup:
    """What may be compared: one device, one portrait, one voice."""

    device: str
    inputs: str
    rows: list[BenchRow]
    """The fastest first; last those of which nothing is told."""
    plots: list[Plot]
    left_out: list[str]
    """Systems without a point, and why."""
    sentences: list[str]
