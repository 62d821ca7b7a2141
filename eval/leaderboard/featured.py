"""One clip by every system beside the real one: the first thing a reader looks at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.leaderboard.gallery import costs, local_videos
from eval.leaderboard.groups import Entry
from eval.leaderboard.names import clip_name
from eval.leaderboard.side_by_side import Shown, alone

SYSTEMS = 3
"""How many are shown beside the real clip; the page says how many more there are."""
_TRIES = 4
"""Clips that are tried where videos cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One video of the comparison."""

    system: str | None
    """None: the real clip."""
    value: float | None
    shown: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Featured:
    """The comparison: the real clip first, then the systems as they were given."""

    clip_id: str
    called: str
    metric: str
    tiles: list[Tile]
    more: int
    """Systems that are not shown."""


def featured(entries: Sequence[Entry], metric: str) -> Featured | None:
    """The clip in the middle of the first system's by a metric, of the first systems; None where no
    video can be shown. Such a clip is neither anybody's best nor their worst.
    """
    systems = [e for e in entries if e.ranked and metric in e.results.scores]
    shown = systems[:SYSTEMS]
    if not shown:
        return None
    first = shown[0].results
    cost = costs(first.scores[metric])
    order = [int(at) for at in np.argsort(cost, kind="stable") if np.isfinite(cost[at])]
    off = np.abs(np.arange(len(order)) - (len(order) - 1) / 2)
    for place in np.argsort(off, kind="stable")[:_TRIES]:
        at = order[place]
        clip = first.clip_ids[at]
        tiles = [_real(shown[0], clip), *(_tile(entry, clip, metric) for entry in shown)]
        if any(tile.shown.source for tile in tiles[1:]):
            return Featured(
                clip_id=clip,
                called=clip_name(first, clip),
                metric=metric,
                tiles=tiles,
                more=len(systems) - len(shown),
            )
    return None


def _real(entry: Entry, clip: str) -> Tile:
    at = entry.results.clip_ids.index(clip)
    with local_videos(entry.results, entry.results.clips[at]["reference"]) as (video,):
        return Tile(system=None, value=None, shown=alone(video))


def _tile(entry: Entry, clip: str, metric: str) -> Tile:
    if clip not in entry.results.clip_ids:
        return Tile(system=entry.name, value=None, shown=Shown(None, "it has not this clip"))
    at = entry.results.clip_ids.index(clip)
    scores = entry.results.scores[metric]
    value = float(scores.values[at]) if np.isfinite(scores.values[at]) else None
    with local_videos(entry.results, entry.results.clips[at]["video"]) as (video,):
        return Tile(system=entry.name, value=value, shown=alone(video))
