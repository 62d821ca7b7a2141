"""Whether two results folders may be compared at all: same conditions, clips and real videos."""

import numpy as np

from eval.scores import Results
from manifests.config import diff

_SHOWN = 5
_TOLERANCE = 1e-3
"""Of the real clips' own numbers: other CPUs round differently, other videos differ by more."""


def differences(before: Results, after: Results) -> list[str]:
    """Why numbers of these two may not be compared, one line each; empty: they may."""
    found = []
    if before.protocol_hash != after.protocol_hash:
        changes = diff(before.info["protocol"], after.info["protocol"])
        found.append(f"protocol {before.protocol_hash} -> {after.protocol_hash}: {_few(changes)}")
    old, new = before.info.get("dataset_hash"), after.info.get("dataset_hash")
    if old != new:
        found.append(f"dataset {old or '(none)'} -> {new or '(none)'}")
    if before.info.get("same_take") != after.info.get("same_take"):
        found.append("one pairs each video with its own real clip, the other with any")
    lists = set(before.clip_ids), set(after.clip_ids)
    if lists[0] != lists[1]:
        for names, what in ((lists[0] - lists[1], "lacks"), (lists[1] - lists[0], "adds")):
            if names:
                found.append(f"clip list: the second {what} {len(names)}: {_few(sorted(names))}")
    elif not found:
        found += _other_videos(before, after)
    return found


def _other_videos(before: Results, after: Results) -> list[str]:
    """Clips of one name whose real videos are not the same, by length and by measured numbers."""
    other = {
        old["clip_id"]
        for old, new in zip(before.clips, after.clips, strict=True)
        if None not in (frames := (old["reference_frames"], new["reference_frames"]))
        and frames[0] != frames[1]
    }
    for name in before.scores.keys() & after.scores.keys():
        old, new = before.scores[name].references, after.scores[name].references
        known = np.isfinite(old) & np.isfinite(new)
        gap = np.abs(old - new) > _TOLERANCE * np.maximum(np.abs(old), np.abs(new))
        other |= {before.clip_ids[place] for place in np.flatnonzero(known & gap)}
    if not other:
        return []
    return [f"the real videos of {len(other)} clips are not the same: {_few(sorted(other))}"]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
