"""What a row says beyond its metrics: identity over time, speed, cost, failures, provenance."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.leaderboard.groups import Entry
from eval.leaderboard.names import clip_name
from eval.metrics.interface import Reason
from eval.results.scores import Results
from manifests.counting import count

DRIFT_BINS = 40
FAILURES = 100
"""Clips that are named; the page says how many more there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Mean similarity to the source image over the clips that last so long."""

    system: str
    seconds: list[float]
    """Beginning of each bin."""
    values: list[float | None]
    clips: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How long videos took to make. Factors are seconds of work for a second of video."""

    system: str
    clips: int
    factor: float
    """Of the whole set: all work over all video."""
    median: float
    p95: float
    hours: float
    """Of work, for the whole set."""
    cost_per_minute: float | None
    """Of video, at the price given for an hour of machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What of a row has no number, and why."""

    system: str
    clips: list[dict[str, Any]]
    """clip_id, called, status, reason and meaning of clips that failed as a whole."""
    more: int
    reasons: list[tuple[str, str, int]]
    """Metric, reason, clips: where single metrics could not be measured."""
    unpaired: dict[str, Any]


def same_curves(entries: Sequence[Entry], main: Entry) -> list[Entry]:
    """Rows whose curves of identity were made as the main row's were, or all where it has none."""
    own = _curves_made(main.results)
    return [e for e in entries if own is None or _curves_made(e.results) == own] or [main]


def _curves_made(results: Results) -> tuple[Any, ...] | None:
    """What curves stand on: CSIM's conditions by the better network that was measured."""
    found = results.protocol["metrics"]
    for name in ("arcface", "mobilefacenet"):
        for metric, conditions in found.items():
            if metric.startswith("csim_") and name in conditions["weights"]:
                return tuple(conditions[part] for part in ("weights", "libraries", "card"))
    return None


def drift(entries: Sequence[Entry]) -> tuple[float, list[Drift]]:
    """Identity over time of each row that has curves, and the width of a bin in seconds.

    Bins are a second wide, or wider so that there are at most `DRIFT_BINS`.
    """
    curves = {entry.name: list(_curves(entry.results)) for entry in entries}
    curves = {name: found for name, found in curves.items() if found}
    longest = max((float(at[-1]) for found in curves.values() for at, _ in found), default=0.0)
    width = float(max(1.0, np.ceil(longest / DRIFT_BINS)))
    return width, [_drift(name, found, width) for name, found in curves.items()]


def _curves(results: Results) -> Iterator[tuple[Any, Any]]:
    """Seconds and similarity of each clip's sampled frames."""
    card = results.info["protocol"]["card"]
    for part in results.folder.batches("clips", ["csim"]):
        for curve in part["csim"].to_pylist():
            if curve:
                at = (card["skip_first"] + np.arange(len(curve)) * card["stride"]) / card["fps"]
                yield at, np.array(curve, dtype=np.float64)


def _drift(name: str, curves: Sequence[tuple[Any, Any]], width: float) -> Drift:
    count = int(max(at[-1] for at, _ in curves) // width) + 1
    sums, frames = np.zeros(count), np.zeros(count)
    clips = np.zeros(count, dtype=int)
    for at, values in curves:
        known = np.isfinite(values)
        places = (at[known] // width).astype(int)
        np.add.at(sums, places, values[known])
        np.add.at(frames, places, 1)
        clips[np.unique(places)] += 1
    means = [float(s / n) if n else None for s, n in zip(sums, frames, strict=True)]
    seconds = [number * width for number in range(count)]
    return Drift(system=name, seconds=seconds, values=means, clips=clips.tolist())


def speed(entries: Sequence[Entry], price_per_hour: float | None) -> list[Speed]:
    """Of the rows that have generation times."""
    found = []
    for entry in entries:
        timed = [
            (clip["real_time_factor"], clip["duration_s"] or 0.0)
            for clip in entry.results.clips
            if clip["real_time_factor"] is not None
        ]
        if not timed:
            continue
        factors, seconds = np.array(timed).T
        work = float((factors * seconds).sum())
        factor = work / float(seconds.sum()) if seconds.sum() else float("nan")
        cost = None if price_per_hour is None else factor / 60 * price_per_hour
        found.append(
            Speed(
                system=entry.name,
                clips=len(timed),
                factor=factor,
                median=float(np.median(factors)),
                p95=float(np.quantile(factors, 0.95)),
                hours=work / 3600,
                cost_per_minute=cost,
            )
        )
    return found


def credentials(results: Results) -> str | None:
    """How many of the videos carry content credentials; None where that was not recorded. Whether
    these are valid, `dawn verify` says.
    """
    known = [clip["credentials"] for clip in results.clips if clip["credentials"] is not None]
    if not known:
        return None
    return f"{sum(known)} of {count(len(known), 'video')} carry content credentials"


def failures(entries: Sequence[Entry]) -> list[Failures]:
    """Of every row, also of those without any."""
    return [_failures(entry) for entry in entries]


def _failures(entry: Entry) -> Failures:
    lost = [
        {
            "clip_id": clip["clip_id"],
            "called": clip_name(entry.results, clip["clip_id"]),
            "status": clip["status"],
            "reason": clip["reason"] or "unknown",
            "meaning": meaning(clip["reason"]),
        }
        for clip in entry.results.clips
        if clip["status"] != "ok"
    ]
    reasons = [
        (name, reason, clips)
        for name, scores in entry.results.scores.items()
        for reason, clips in sorted(Counter(scores.reasons).items())
    ]
    return Failures(
        system=entry.name,
        clips=lost[:FAILURES],
        more=max(0, len(lost) - FAILURES),
        reasons=reasons,
        unpaired=dict(entry.results.info.get("unpaired") or {}),
    )


def meaning(reason: str | None) -> str:
    """A reason's code for people; the code itself where it is none of ours."""
    try:
        return Reason(reason or "").meaning
    except ValueError:
        return reason or ""
