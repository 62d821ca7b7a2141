"""The same footage twice: trimmed, re-encoded, rescaled, mirrored or run a little faster.

Clips that share 16 bits of any picture hash, wherever in the clip, and have a picture in common
are compared; a clip that is too much like one that is kept names it in `duplicate_of`. Where many
clips look alike, those of one speaker, the likeliest by their movement are compared.
"""

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.features.video.fingerprint import (
    CHANNELS,
    Curves,
    best_matches,
    mirrored,
    movement,
    nearest_picture,
    picture_likeness,
)
from dawn.features.video.motion_index import MotionIndex
from dawn.features.video.postings import PLACE_BITS, Postings

FINGERPRINTS = ("picture_hashes", "mirror_hashes", "motion_curves")
"""Columns that are compared. Datasets of older versions lack some: their clips are like none."""

_BAND_BITS = 16
_BANDS = 64 // _BAND_BITS
_ALL, _LIKELIEST = 256, 64
"""Clips that look alike up to which all are compared, and how many of more are: of 352 copies among
1000 takes of one face, trimmed, mirrored, faster and with three and six times the landmarks' noise,
none got another answer. What is no copy may then have a lower score than it would have had."""
_CHANCE = 0.3
"""Likeness up to which footage has nothing in common: the median of different clips. It is not
recorded, so that what is said of a clip does not depend on what else was there first."""
_SAME_PICTURE = 0.75
"""Share of equal bits of a picture that two clips must have in common to be compared."""


class KeptFootage:
    """Clips that are kept, found again by their fingerprints. Up to `compared` that look alike are
    all compared.
    """

    def __init__(self, compared: int = _ALL) -> None:
        self._compared = compared
        self._ids, self._kept = _Ids(), bytearray()
        self._hashes, self._curves = _Rows(np.uint64), _Rows(np.uint8)
        self._bands = Postings(_BANDS << _BAND_BITS)
        self._moving = MotionIndex()

    def add(self, clip: dict[str, Any]) -> None:
        """Keep a clip: a row of `clips` with its fingerprints."""
        if not _has_fingerprints(clip):
            return
        bands = _bands(_hashes(clip["picture_hashes"]))
        self._bands.add(bands, np.zeros(len(bands), np.int64))
        self._ids.append(clip["clip_id"])
        self._kept.append(True)
        self._hashes.append(clip["picture_hashes"])
        self._curves.append(clip["motion_curves"])
        self._moving.add(movement(_curves(clip)))

    def forget(self, clip_ids: Iterable[str]) -> None:
        """Keep these no longer, if they were."""
        for place in self._ids.places({*clip_ids}):
            self._kept[place] = False

    def most_similar(self, clip: dict[str, Any]) -> tuple[str | None, float]:
        """Id of the kept clip most like this one, and how much, 0 to 1: the smaller of the
        picture's likeness and of the motion's, where the clips lie best over each other.
        """
        if not _has_fingerprints(clip):
            return None, 0.0
        curves = _curves(clip)
        scored = [
            *self._scores(_hashes(clip["picture_hashes"]), curves),
            *self._scores(_hashes(clip["mirror_hashes"]), mirrored(curves)),
        ]
        score, clip_id = max(scored, default=(0.0, ""))
        return (clip_id, score) if score > _CHANCE else (None, 0.0)

    def _scores(self, hashes: NDArray[np.uint64], curves: Curves) -> list[tuple[float, str]]:
        """Kept clips with a picture in common, by their scores."""
        likely = [i for i in self._sharing(hashes, curves) if self._kept[i]]
        pictures = {i: _hashes(self._hashes[i]) for i in likely}
        near = [i for i in likely if nearest_picture(hashes, pictures[i]) >= _SAME_PICTURE]
        matches = best_matches(curves, [movement(_points(self._curves[i])) for i in near])
        return [
            (min(match.score, picture_likeness(hashes, pictures[i], match)), self._ids[i])
            for i, match in zip(near, matches, strict=True)
        ]

    def _sharing(self, hashes: NDArray[np.uint64], curves: Curves) -> list[int]:
        """Clips that share a band, in order: all, or of many the likeliest."""
        bands = _bands(hashes)
        if self._bands.counts(bands).max(initial=0) <= self._compared:
            found = [entries >> PLACE_BITS for _, entries in self._bands.find(bands)]
            sharing = np.unique(np.concatenate(found))
            if len(sharing) <= self._compared:
                all_of_them: list[int] = sharing.tolist()
                return all_of_them
        likeliest = self._moving.likeliest(curves, _LIKELIEST)
        return [
            i for i in sorted(likeliest) if np.isin(bands, _bands(_hashes(self._hashes[i]))).any()
        ]


class _Rows:
    """Rows of numbers of different lengths, one after the other."""

    def __init__(self, kind: type[np.unsignedinteger[Any]]) -> None:
        self._kind, self._bytes, self._ends = kind, bytearray(), array("q", [0])

    def append(self, row: Sequence[int] | NDArray[Any]) -> None:
        self._bytes += np.asarray(row, self._kind).tobytes()
        self._ends.append(len(self._bytes))

    def __getitem__(self, number: int) -> NDArray[Any]:
        begin, end = self._ends[number : number + 2]
        return np.frombuffer(bytes(self._bytes[begin:end]), self._kind)


class _Ids:
    """Ids by their places, and places by ids; as lists and dictionaries they take four times as
    much.
    """

    def __init__(self) -> None:
        self._texts, self._hashes = _Rows(np.uint8), array("q")

    def append(self, clip_id: str) -> None:
        self._texts.append(np.frombuffer(clip_id.encode(), np.uint8))
        self._hashes.append(hash(clip_id))

    def __getitem__(self, place: int) -> str:
        return self._texts[place].tobytes().decode()

    def places(self, clip_ids: Collection[str]) -> list[int]:
        """Where these are, as far as they are."""
        if not clip_ids or not self._hashes:
            return []
        wanted = np.fromiter(map(hash, clip_ids), np.int64, len(clip_ids))
        maybe = np.flatnonzero(np.isin(np.frombuffer(self._hashes, np.int64), wanted))
        return [place for place in maybe.tolist() if self[place] in clip_ids]


def mark_duplicates(
    clips: Iterable[dict[str, Any]], kept: KeptFootage, threshold: float | None
) -> None:
    """Set `duplicate_of` and `duplicate_score` of each clip, in place.

    The largest face is looked at first, so that of several copies the best one stays. A clip
    that is no duplicate joins `kept` when its row says `eligible`: a clip that another filter
    drops must not take a good copy with it.
    """
    for clip in sorted(clips, key=lambda clip: (-clip["face_px"], clip["clip_id"])):
        clip["duplicate_of"], clip["duplicate_score"] = kept.most_similar(clip)
        is_new = threshold is None or clip["duplicate_score"] <= threshold
        if clip["eligible"] and is_new:
            kept.add(clip)


def copies_across_splits(
    clips: Iterable[dict[str, Any]], threshold: float
) -> list[tuple[str, str, float]]:
    """(clip, most similar earlier clip of another split, score) for scores above the threshold.

    `clips` are rows of `clips`.
    """
    kept: dict[str, KeptFootage] = defaultdict(KeptFootage)
    found = []
    for clip in clips:
        for split in sorted(kept.keys() - {clip["split"]}):
            other, score = kept[split].most_similar(clip)
            if other is not None and score > threshold:
                found.append((str(clip["clip_id"]), other, score))
        kept[clip["split"]].add(clip)
    return found


def _has_fingerprints(clip: dict[str, Any]) -> bool:
    found = [clip.get(name) for name in FINGERPRINTS]
    return all(values is not None and len(values) > 0 for values in found)


def _curves(clip: dict[str, Any]) -> Curves:
    return _points(clip["motion_curves"])


def _points(values: Sequence[int] | NDArray[np.uint8]) -> Curves:
    return np.array(values, float).reshape(-1, CHANNELS)


def _hashes(values: Sequence[int] | NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.asarray(values, np.uint64)


def _bands(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Band and bits, as one number, of every 16-bit piece of the hashes, whichever picture it is
    of: sorted, each once.
    """
    shifts = np.arange(_BANDS, dtype=np.uint64) * np.uint64(_BAND_BITS)
    pieces = hashes[:, None] >> shifts & np.uint64((1 << _BAND_BITS) - 1)
    return np.unique(pieces.astype(np.int64) | np.arange(_BANDS) << _BAND_BITS)
