"""Clips to look at: for each system its worst, its middle and its best by one metric."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.leaderboard.groups import Entry
from eval.leaderboard.names import clip_name, last_part, speaker_names
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
    called: str
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
    cost = costs(scores)
    order = [int(at) for at in np.argsort(-cost, kind="stable") if np.isfinite(cost[at])]
    ends = min(each, len(order) // 2) if len(order) > 1 else 0
    middle = order[ends : len(order) - ends]
    begin = max(0, (len(middle) - each) // 2)
    found: list[tuple[Rank, int]] = [("worst", at) for at in order[:ends]]
    found += [("median", at) for at in middle[begin : begin + each]]
    return found + [("best", at) for at in order[len(order) - ends :]]


def costs(scores: Scores) -> NDArray[np.float64]:
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
        called=clip_name(entry.results, str(clip["clip_id"])),
        speaker=speaker_names(entry.results).get(clip["speaker"] or ""),
        value=float(scores.values[at]),
        reference=reference if np.isfinite(reference) else None,
        shown=_shown(entry.results, clip["video"], clip["reference"]),
    )


def _shown(results: Results, generated: str | None, real: str | None) -> Shown:
    """Both videos in one, or why there is none."""
    with local_videos(results, generated, real) as (left, right):
        for side in (left, right):
            if isinstance(side, str):
                return Shown(None, side)
        return side_by_side(
            left if isinstance(left, Path) else None, right if isinstance(right, Path) else None
        )


@contextmanager
def local_videos(results: Results, *uris: str | None) -> Iterator[list[Path | str | None]]:
    """Each video as a file while the context lasts, why it cannot be had, or None where there is
    none. What lies elsewhere than the results do is not fetched: the rows may have been written by
    anybody.
    """
    with tempfile.TemporaryDirectory() as scratch:
        yield [
            None if uri is None else _fetched(uri, results, Path(scratch) / str(number))
            for number, uri in enumerate(uris)
        ]


def _fetched(uri: str, results: Results, to: Path) -> Path | str:
    name = last_part(uri)
    if not _where_results_are(uri, results):
        return f"{name}: lies elsewhere than the results and is not fetched"
    try:
        file = Place.of(uri).fetched(to)
    except OSError as error:
        return f"{name}: cannot be read ({error.strerror or type(error).__name__})"
    if file.exists() and not file.is_file():  # reading a device or a pipe has no end
        return f"{name}: is no file"
    return file


def _where_results_are(uri: str, results: Results) -> bool:
    """Told from the text alone: opening some kinds of address already reaches out."""
    protocol, address, _ = uri.partition("://")
    if "::" in uri:  # fsspec would chain file systems
        return False
    return not address or protocol in ("file", *protocols(results.folder.fs))
