"""What two recipes make of the same footage: clips matched by where they lie, and what changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from manifests.catalog import rows
from manifests.forgotten import Region
from manifests.store import Dataset

Row = dict[str, Any]

KINDS = {
    "lost": "accepted before, rejected now",
    "won": "rejected before, accepted now",
    "gone": "accepted before, no such clip now",
    "new": "accepted now, no such clip before",
    "split": "accepted in another split",
}
"""How a clip moved, most serious first."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A clip under both recipes; None where one has none there."""

    before: Row | None
    after: Row | None

    @property
    def kind(self) -> str | None:
        """One of KINDS; None where the clip did not move."""
        was = self.before is not None and self.before["accepted"]
        now = self.after is not None and self.after["accepted"]
        if was != now:
            if was:
                return "gone" if self.after is None else "lost"
            return "new" if self.before is None else "won"
        if self.before and self.after and was and self.before["split"] != self.after["split"]:
            return "split"
        return None

    @property
    def one(self) -> Row:
        """The clip as it is now, or was."""
        return self.after or self.before or {}

    def why(self) -> str:
        """What decided, for people: the filters that fail now, or failed before."""
        if self.kind == "split" and self.before and self.after:
            return f"{self.before['split']} -> {self.after['split']}"
        if self.kind == "won" and self.before:
            return f"no longer {', '.join(self.before['reasons'])}"
        return ", ".join(self.after["reasons"]) if self.kind == "lost" and self.after else ""


@dataclass(frozen=True, slots=True)
class FilterChange:
    """One filter under both recipes; None: it did not judge."""

    name: str
    bounds: tuple[float | None, float | None]
    rejected: tuple[int, int]
    fails_now: int
    """Matched clips that passed it before and fail it now."""
    passes_now: int
    shift: float | None
    """Median change of the score of matched clips."""

    @property
    def changed(self) -> bool:
        """Whether anything did."""
        same = self.bounds[0] == self.bounds[1] and self.rejected[0] == self.rejected[1]
        return not same or bool(self.fails_now or self.passes_now or self.shift)


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed from one dataset to another."""

    videos: tuple[int, int, int]
    """In both, only in the first, only in the second."""
    statuses: list[tuple[str, str, str]]
    """Name, status before and now of videos whose status changed."""
    pairs: list[Pair]
    filters: list[FilterChange]

    @property
    def moved(self) -> list[Pair]:
        """The clips that moved, by kind."""
        found = [pair for pair in self.pairs if pair.kind is not None]
        order = list(KINDS)
        return sorted(found, key=lambda p: (order.index(str(p.kind)), p.one["clip_id"]))

    @property
    def matched(self) -> list[tuple[Row, Row]]:
        """Clips that both have."""
        return [(p.before, p.after) for p in self.pairs if p.before and p.after]


def changes_between(first: Dataset, second: Dataset) -> Changes:
    """What changed in the videos that both have."""
    before, after = _videos(first), _videos(second)
    both = before.keys() & after.keys()
    statuses = [
        (_name(after[video]), _status(before[video]), _status(after[video]))
        for video in sorted(both)
        if _status(before[video]) != _status(after[video])
    ]
    clips = [[c for c in _clips(dataset) if c["video_id"] in both] for dataset in (first, second)]
    pairs = match(*clips)
    counts = (len(both), len(before.keys() - both), len(after.keys() - both))
    return Changes(counts, statuses, pairs, _filters(pairs, clips))


def match(before: Iterable[Row], after: Iterable[Row]) -> list[Pair]:
    """Pair clips of a video that overlap in time and place, those that share most frames first;
    each is in one pair. Sorted by the clips' ids.
    """
    by_video: dict[str, tuple[list[Row], list[Row]]] = {}
    for side, clips in enumerate((before, after)):
        for clip in clips:
            by_video.setdefault(clip["video_id"], ([], []))[side].append(clip)
    pairs = []
    for old, new in by_video.values():
        shared = sorted(
            (
                (-_shared(a, b), abs(a["crop_x"] - b["crop_x"]), a["clip_id"], b["clip_id"])
                for a in old
                for b in new
                if Region.of(a).shows(b)
            ),
        )
        of_old, of_new = {c["clip_id"]: c for c in old}, {c["clip_id"]: c for c in new}
        for _, _, a, b in shared:
            if a in of_old and b in of_new:
                pairs.append(Pair(of_old.pop(a), of_new.pop(b)))
        pairs += [Pair(clip, None) for clip in of_old.values()]
        pairs += [Pair(None, clip) for clip in of_new.values()]
    return sorted(pairs, key=lambda pair: pair.one["clip_id"])


def _shared(a: Row, b: Row) -> int:
    stop = min(a["start_frame"] + a["frames"], b["start_frame"] + b["frames"])
    return int(stop - max(a["start_frame"], b["start_frame"]))


def _filters(pairs: Iterable[Pair], clips: Sequence[Sequence[Row]]) -> list[FilterChange]:
    both = [(pair.before, pair.after) for pair in pairs if pair.before and pair.after]
    names = dict.fromkeys(name for side in clips for clip in side for name in clip["decisions"])
    found = []
    for name in sorted(names):
        sides = [[c["decisions"][name] for c in side if name in c["decisions"]] for side in clips]
        told = [(a["decisions"].get(name), b["decisions"].get(name)) for a, b in both]
        shifts = [
            b["score"] - a["score"]
            for a, b in told
            if a and b and a["score"] is not None and b["score"] is not None
        ]
        found.append(
            FilterChange(
                name,
                (_bound(sides[0]), _bound(sides[1])),
                (_failed(sides[0]), _failed(sides[1])),
                sum(_fails(b) and not _fails(a) for a, b in told),
                sum(_fails(a) and not _fails(b) for a, b in told),
                median(shifts) if shifts else None,
            )
        )
    return found


def _fails(decision: Row | None) -> bool:
    return decision is not None and decision["verdict"] == "fail"


def _failed(decisions: Iterable[Row]) -> int:
    return sum(map(_fails, decisions))


def _bound(decisions: Sequence[Row]) -> float | None:
    """The bound that most clips were held against; the table holds float32."""
    bounds = [decision["threshold"] for decision in decisions]
    return float(f"{max(set(bounds), key=bounds.count):.6g}") if bounds else None


def _videos(dataset: Dataset) -> dict[str, Row]:
    found = rows(dataset, "SELECT video_id, sources, status, reason FROM videos")
    return {row["video_id"]: row for row in found}


def _status(video: Row) -> str:
    return f"{video['status']} ({video['reason']})" if video["reason"] else str(video["status"])


def _name(video: Row) -> str:
    """Of its file: places on this machine stay out."""
    return str(video["sources"][0]).rsplit("/", 1)[-1]


def _clips(dataset: Dataset) -> list[Row]:
    clips = rows(
        dataset,
        "SELECT clip_id, video_id, start_frame, frames, start_s, duration_s, crop_x, crop_y, "
        "crop_side, source_name, accepted, reasons, split, video_path FROM clips ORDER BY clip_id",
    )
    by_id = {clip["clip_id"]: clip | {"decisions": {}} for clip in clips}
    for row in rows(
        dataset, "SELECT clip_id, filter, score, threshold, rule, verdict FROM decisions"
    ):
        by_id[row["clip_id"]]["decisions"][row["filter"]] = row
    return list(by_id.values())
