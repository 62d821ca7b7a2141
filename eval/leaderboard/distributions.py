"""What lies behind a metric's number: its spread over clips, and how it depends on length, head
pose and speaker.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eval.leaderboard.groups import Entry
from eval.leaderboard.names import speaker_names
from eval.results.scores import Results, Scores, statistic_of
from eval.statistics.intervals import F64

BINS = 24
SPEAKERS = 30
"""Speakers that are listed one by one; the page says how many more there are."""

By = Literal["length", "head turn", "speaker"]
_UNITS: dict[By, str] = {"length": "s", "head turn": "°", "speaker": ""}
COLUMNS: dict[By, str] = {"length": "duration_s", "head turn": "yaw_p95"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One row's clips: quantiles and a histogram over the bins that all rows share."""

    system: str
    n: int
    quantiles: tuple[float, float, float, float, float]
    """5, 25, 50, 75 and 95 %."""
    counts: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The number of each row over some of the clips; None where none has a number."""

    label: str
    low: float | None
    """Clips with more than `low` and at most `high`; None: no such bound, or no number at all."""
    high: float | None
    values: list[float | None]
    clips: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """The metric by one property of the clips."""

    by: By
    bins: list[Bin]
    left_out: int = 0
    """Speakers beyond those listed."""


def distributions(
    name: str, entries: Sequence[Entry]
) -> tuple[list[Distribution], tuple[float, float] | None]:
    """Of each row with numbers, and what the bins lie between."""
    found = [(e.name, _known(e.results.scores.get(name))) for e in entries]
    found = [(system, values) for system, values in found if len(values)]
    if not found:
        return [], None
    everything = np.concatenate([values for _, values in found])
    low, high = float(everything.min()), float(everything.max())
    span = (low, high) if high > low else (low - 0.5, high + 0.5)
    return [
        Distribution(
            system=system,
            n=len(values),
            quantiles=tuple(np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()),
            counts=np.histogram(values, BINS, span)[0].tolist(),
        )
        for system, values in found
    ], span


def _known(scores: Scores | None) -> F64:
    return np.empty(0) if scores is None else scores.values[np.isfinite(scores.values)]


def slices(name: str, entries: Sequence[Entry], main: Results) -> list[Slices]:
    """The metric by length, head turn and speaker, as far as the clips tell these apart."""
    found = [_by_column(name, by, entries, main) for by in COLUMNS]
    found.append(_by_speaker(name, entries, main))
    return [part for part in found if part is not None]


def _by_column(name: str, by: By, entries: Sequence[Entry], main: Results) -> Slices | None:
    """Quarters of the clips; fewer parts where many clips share a value."""
    column = np.array([_number(clip[COLUMNS[by]]) for clip in main.clips])
    known = column[np.isfinite(column)]
    if len(known) < 8:
        return None
    inner = np.unique(np.quantile(known, (0.25, 0.5, 0.75)).round(2))
    inner = inner[(inner >= known.min()) & (inner < known.max())]
    if not len(inner):
        return None
    edges: list[float | None] = [None, *inner.tolist(), None]
    ids = main.clip_ids
    bins = []
    for low, high in itertools.pairwise(edges):
        inside = np.isfinite(column)
        inside &= True if low is None else column > low
        inside &= True if high is None else column <= high
        chosen = {ids[place] for place in np.flatnonzero(inside)}
        bins.append(_bin(_range_label(low, high, _UNITS[by]), low, high, name, entries, chosen))
    return Slices(by=by, bins=bins)


def _by_speaker(name: str, entries: Sequence[Entry], main: Results) -> Slices | None:
    clips: dict[str, set[str]] = {}
    for clip, speaker in zip(main.clip_ids, main.speakers, strict=True):
        if speaker is not None:
            clips.setdefault(speaker, set()).add(clip)
    if len(clips) < 2:
        return None
    most = sorted(clips, key=lambda speaker: (-len(clips[speaker]), speaker))
    listed = sorted(most[:SPEAKERS])
    called = speaker_names(main)
    bins = [_bin(called[who], None, None, name, entries, clips[who]) for who in listed]
    return Slices(by="speaker", bins=bins, left_out=len(most) - len(listed))


def _bin(
    label: str, low: float | None, high: float | None, name: str,
    entries: Sequence[Entry], clips: set[str],
) -> Bin:  # fmt: skip
    numbers = [number_of(name, entry.results, clips) for entry in entries]
    return Bin(
        label=label,
        low=low,
        high=high,
        values=[value for value, _ in numbers],
        clips=[count for _, count in numbers],
    )


def number_of(name: str, results: Results, clips: set[str]) -> tuple[float | None, int]:
    """A clip metric's number over some of the clips, and how many have one."""
    scores = results.scores.get(name)
    if scores is None:
        return None, 0
    chosen: NDArray[np.bool_] = np.array([clip in clips for clip in results.clip_ids], bool)
    chosen &= np.isfinite(scores.values)
    count = int(chosen.sum())
    if not count:
        return None, 0
    statistic = statistic_of(scores.metric, scores.values[chosen], scores.items[chosen])
    return float(statistic(np.ones((1, count)))[0]), count


def _range_label(low: float | None, high: float | None, unit: str) -> str:
    space = "" if unit == "°" else " "
    if low is None:
        return f"up to {high:g}{space}{unit}"
    if high is None:
        return f"over {low:g}{space}{unit}"
    return f"{low:g} to {high:g}{space}{unit}"


def _number(value: Any) -> float:  # noqa: ANN401 - a cell of a table
    return float("nan") if value is None else float(value)
