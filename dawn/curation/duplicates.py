"""The same footage twice: re-encoded, rescaled or mirrored.

Clips that share 16 bits of any picture hash are compared; a clip that is too much like one that
is kept names it in `duplicate_of`. The time is linear in the clips.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.features.video.fingerprint import similarity

_MAX_FRAMES_APART = 3
_BAND_BITS = 16


class KeptFootage:
    """Clips that are kept, found again by their fingerprints."""

    def __init__(self) -> None:
        self._clips: list[dict[str, Any]] = []
        self._bands: dict[tuple[int, int], list[int]] = defaultdict(list)

    def add(self, clip: dict[str, Any]) -> None:
        """Keep a clip: a row of `clips` with its fingerprints."""
        for band in _bands(clip["picture_hashes"]):
            self._bands[band].append(len(self._clips))
        self._clips.append(clip)

    def most_similar(self, clip: dict[str, Any]) -> tuple[str | None, float]:
        """Id of the kept clip most like this one, and how much, 0 to 1."""
        near = {
            i
            for hashes in ("picture_hashes", "mirror_hashes")
            for band in _bands(clip[hashes])
            for i in self._bands.get(band, ())
            if abs(self._clips[i]["frames"] - clip["frames"]) <= _MAX_FRAMES_APART
        }
        scored = [(_similarity(self._clips[i], clip), str(self._clips[i]["clip_id"])) for i in near]
        score, clip_id = max(scored, default=(0.0, ""), key=lambda pair: (pair[0], pair[1]))
        return (clip_id, score) if score > 0 else (None, 0.0)


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


def _similarity(a: dict[str, Any], b: dict[str, Any]) -> float:
    return similarity(
        _hashes(a["picture_hashes"]),
        _hashes(b["picture_hashes"]),
        _hashes(b["mirror_hashes"]),
        np.asarray(a["motion"], np.float32),
        np.asarray(b["motion"], np.float32),
    )


def _hashes(values: list[int]) -> NDArray[np.uint64]:
    return np.array(values, np.uint64)


def _bands(hashes: list[int]) -> list[tuple[int, int]]:
    """(position, bits) of every 16-bit piece of the hashes."""
    mask = (1 << _BAND_BITS) - 1
    per_hash = 64 // _BAND_BITS
    return [
        (k * per_hash + band, value >> (band * _BAND_BITS) & mask)
        for k, value in enumerate(hashes)
        for band in range(per_hash)
    ]
