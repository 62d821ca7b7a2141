"""Clips to look at: for each system its worst, its middle and its best by one metric."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.leaderboard.groups import Entry
from eval.leaderboard.side_by_side import Shown, side_by_side
from eval.results.scores import Results, Scores
from manifests.location import Place, protocols

PREFERRED = (
    "lse_c_tracked", "lse_c_wholeframe", "asd_margin_lrasd", "lip_audio_corr",
    "csim_src_arcface-w600k_r50", "csim_src_mbf128", "lpips_alex", "psnr",
)  # fmt: skip
"""By which the clips are chosen where nothing else is said: the first that was measured."""

Rank = Literal["worst", "median", "best"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """One clip of one system."""

    system: str
    place: Rank
    clip_id: str
    speaker: str | None
    value: float
    reference: float | None
    shown: Shown


def choose_metric(entries: Sequence[Entry]) -> str | None:
    """The preferred metric that a system has numbers of; None where there is none."""
    systems = [entry.results.scores for entry in entries if entry.ranked]
    there = [name for scores in systems for name, s in scores.items() if s.valid.any()]
    return next((name for name in (*PREFERRED, *there) if name in there), None)


def gallery(entries: Sequence[Entry], metric: str, each: int) -> list[Picked]:
    """`each` clips a place and system; a clip is shown once, so small sets show fewer."""
    picked = []
    for entry in entries:
        scores = entry.results.scores.get(metric)
        if not entry.ranked or scores is None or not each:
            continue
        picked += [_picked(entry, scores, place, at) for place, at in _chosen(scores, each)]
    return picked


def _chosen(scores: Scores, each: int) -> list[tuple[Rank, int]]:
    """Places of clips, worst first."""
    costs = _costs(scores)
    order = [int(at) for at in np.argsort(-costs, kind="stable") if np.isfinite(costs[at])]
    ends = min(each, len(order) // 2) if len(order) > 1 else 0
    middle = order[ends : len(order) - ends]
    begin = max(0, (len(middle) - each) // 2)
    found: list[tuple[Rank, int]] = [("worst", at) for at in order[:ends]]
    found += [("median", at) for at in middle[begin : begin + each]]
    return found + [("best", at) for at in order[len(order) - ends :]]


def _costs(scores: Scores) -> NDArray[np.float64]:
    """Less is better; NaN where a clip has no number."""
    direction = scores.definition.direction
    values = np.where(scores.valid, scores.values, np.nan)
    if direction == "closer":
        return np.abs(values - scores.references)
    return values if direction == "lower" else -values


def _picked(entry: Entry, scores: Scores, place: Rank, at: int) -> Picked:
    clip, reference = entry.results.clips[at], float(scores.references[at])
    return Picked(
        system=entry.name,
        place=place,
        clip_id=str(clip["clip_id"]),
        speaker=clip["speaker"],
        value=float(scores.values[at]),
        reference=reference if np.isfinite(reference) else None,
        shown=_shown(entry.results, clip["video"], clip["reference"]),
    )


def _shown(results: Results, generated: str | None, real: str | None) -> Shown:
    """Both videos in one. What lies elsewhere than the results do is not fetched: the rows may
    have been written by anybody.
    """
    with tempfile.TemporaryDirectory() as scratch:
        sides: list[Path | None] = []
        for name, uri in (("generated", generated), ("real", real)):
            if uri is None:
                sides.append(None)
                continue
            if not _where_results_are(uri, results):
                return Shown(None, f"{uri}: lies elsewhere than the results and is not fetched")
            try:
                file = Place.of(uri).fetched(Path(scratch) / name)
            except OSError as error:
                return Shown(None, f"{uri}: cannot be read ({error})")
            if file.exists() and not file.is_file():  # reading a device or a pipe has no end
                return Shown(None, f"{uri}: is no file")
            sides.append(file)
        return side_by_side(*sides)


def _where_results_are(uri: str, results: Results) -> bool:
    """Told from the text alone: opening some kinds of address already reaches out."""
    protocol, address, _ = uri.partition("://")
    if "::" in uri:  # fsspec would chain file systems
        return False
    return not address or protocol in ("file", *protocols(results.folder.fs))
