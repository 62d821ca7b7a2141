"""Runs of a system's command line, as `dawn bench-system` stored them, and what follows from them.

A run's time is the whole command's: interpreter, models, video. What part of it is start-up and
what grows with the video follows from runs of several lengths: time = fixed + per_second x seconds
of video, by least squares over single runs, with Student's intervals of the two coefficients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from manifests.errors import InputError
from manifests.runs import RunFolder

INFO = "speed.json"
TABLE = "speed_runs"
FEWEST_FOR_P95 = 20
"""Runs below which the 95 % quantile would be made of the slowest one alone."""
_DISTURBED = 0.2
"""Share of the machine's processors, taken by other programs, from which a run is no quiet one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLength:
    """The runs of one length of the voice that succeeded."""

    voice_s: float
    runs: int
    median_s: float
    p95_s: float | None
    """None for fewer runs than `FEWEST_FOR_P95`: read `worst_s`."""
    worst_s: float
    frames_per_second: float
    """Frames of the video over the command's time, median."""
    first_frame_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Start-up and steady state, with 95 % intervals."""

    fixed_s: float
    fixed_low: float
    fixed_high: float
    per_second: float
    """Seconds of work for one more second of video."""
    low: float
    high: float
    frames_per_second: float | None
    """In steady state: frames of a second of video over `per_second`; None where that is not told
    from 0."""
    runs: int
    miss: float
    """Of the median at a length from the line, at most, as a share: time is no straight line of
    length where this is large."""

    @property
    def told(self) -> bool:
        """Whether a longer video is shown to take longer. Without it nothing follows for other
        lengths."""
        return self.low > 0

    def cost(self, seconds: float, price_per_hour: float) -> float | None:
        """Of one command that makes so many seconds of video; None where nothing is told."""
        whole = (self.fixed_s + self.per_second * seconds) / 3600 * price_per_hour
        return whole if self.told else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One folder: a system on a device with given inputs."""

    where: str
    info: Mapping[str, Any]
    lengths: list[AtLength]
    fit: Fit | None
    no_fit: str | None
    """Why there is no fit."""
    failed: int
    warm_ups: int
    reasons: list[str]
    """What failed, for people."""
    peak_memory_bytes: int | None
    memory_reason: str | None
    peak_gpu_memory_bytes: int | None
    gpu_memory_reason: str | None
    first_frame_reason: str | None
    disturbed: int
    """Runs during which other programs kept the machine busy."""

    @property
    def system(self) -> str:
        """Its name in tables."""
        return str(self.info["system"])

    @property
    def device(self) -> str:
        """What it ran on."""
        return str(self.info["device"])

    @property
    def price_per_hour(self) -> float | None:
        """Of the device, where it was told."""
        price: float | None = self.info.get("price_per_hour")
        return price

    @property
    def conditions(self) -> tuple[str, ...]:
        """What must be the same for times to be compared: device and inputs."""
        inputs = self.info["inputs"]
        return (self.device, str(inputs["image_sha256"]), str(inputs["audio_sha256"]))


def load_speed(root: str) -> Timed:
    """Raises InputError for a folder that holds no run that succeeded."""
    folder = RunFolder(root, INFO)
    info = folder.info()
    rows = sorted(
        folder.read(TABLE).to_pylist(), key=lambda r: (r["voice_s"], r["number"], r["item"])
    )
    return timed(root, info, rows)


def timed(where: str, info: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Timed:
    """What follows from the rows of `speed_runs`. Raises InputError where none succeeded."""
    counted = [row for row in rows if row["number"] > 0]
    good = [row for row in counted if row["status"] == "ok"]
    bad = [row for row in rows if row["status"] != "ok"]
    if not good:
        why = f" ({bad[-1]['detail']})" if bad else ""
        raise InputError(f"{where}: no run succeeded{why}; run dawn bench-system again")
    lengths = sorted({float(row["voice_s"]) for row in good})
    fit, no_fit = fitted(good)
    return Timed(
        where=where,
        info=info,
        lengths=[_at(length, [r for r in good if r["voice_s"] == length]) for length in lengths],
        fit=fit,
        no_fit=no_fit,
        failed=sum(row["status"] != "ok" for row in counted),
        warm_ups=len(rows) - len(counted),
        reasons=sorted({f"{row['reason']}: {row['detail']}" for row in bad}),
        peak_memory_bytes=_most(good, "peak_memory_bytes"),
        memory_reason=_why(good, "peak_memory_bytes", "memory_reason"),
        peak_gpu_memory_bytes=_most(good, "peak_gpu_memory_bytes"),
        gpu_memory_reason=_why(good, "peak_gpu_memory_bytes", "gpu_memory_reason"),
        first_frame_reason=_why(good, "first_frame_s", "first_frame_reason"),
        disturbed=sum((row["others"] or 0) > _DISTURBED for row in good),
    )


def _at(length: float, rows: Sequence[Mapping[str, Any]]) -> AtLength:
    times = np.array([row["wall_s"] for row in rows])
    frames = np.array([row["frames"] for row in rows])
    first = [row["first_frame_s"] for row in rows if row["first_frame_s"] is not None]
    return AtLength(
        voice_s=length,
        runs=len(rows),
        median_s=float(np.median(times)),
        p95_s=float(np.quantile(times, 0.95)) if len(rows) >= FEWEST_FOR_P95 else None,
        worst_s=float(times.max()),
        frames_per_second=float(np.median(frames / times)),
        first_frame_s=float(np.median(first)) if first else None,
    )


def _most(rows: Sequence[Mapping[str, Any]], column: str) -> int | None:
    known = [row[column] for row in rows if row[column] is not None]
    return max(known) if known else None


def _why(rows: Sequence[Mapping[str, Any]], column: str, reason: str) -> str | None:
    """Why no row has a number in a column."""
    if _most(rows, column) is not None:
        return None
    return next((row[reason] for row in rows if row[reason]), "not measured")


def fitted(rows: Sequence[Mapping[str, Any]]) -> tuple[Fit | None, str | None]:
    """Start-up and cost of a second of video from runs that succeeded, or why there is none."""
    seconds = np.array([row["video_s"] for row in rows], dtype=np.float64)
    times = np.array([row["wall_s"] for row in rows], dtype=np.float64)
    if len({row["voice_s"] for row in rows}) < 2:
        return None, "start-up and steady state are told apart by two lengths or more; there is one"
    if len(rows) < 3:
        return None, "no spread is known of fewer than three runs"
    line = scipy.stats.linregress(seconds, times)
    reach = float(scipy.stats.t.ppf(0.975, len(rows) - 2))
    wide, fixed_wide = reach * float(line.stderr), reach * float(line.intercept_stderr)
    slope, fixed = float(line.slope), float(line.intercept)
    rate = float(np.median([row["fps"] for row in rows]))
    misses = []
    for length in {row["voice_s"] for row in rows}:
        own = np.array([row["voice_s"] == length for row in rows])
        expected = fixed + slope * float(np.median(seconds[own]))
        middle = float(np.median(times[own]))
        misses.append(abs(middle - expected) / middle)
    return Fit(
        fixed_s=fixed,
        fixed_low=fixed - fixed_wide,
        fixed_high=fixed + fixed_wide,
        per_second=slope,
        low=slope - wide,
        high=slope + wide,
        frames_per_second=rate / slope if slope > wide else None,
        runs=len(rows),
        miss=max(misses),
    ), None


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points (less is better in both) no other point beats in one and equals in the other."""
    return [not any(a <= x and b <= y and (a < x or b < y) for a, b in points) for x, y in points]
