"""Clips whose nearest kept clip is gone: what filters say of them without it."""

from collections.abc import Iterable, Mapping
from typing import Any

from dawn.curation.decisions import verdict_of
from dawn.curation.duplicates import KeptFootage

_FILTER = "duplicate"


def judge_orphans(
    clips: Iterable[dict[str, Any]],
    decisions: Mapping[str, list[dict[str, Any]]],
    kept: KeptFootage,
) -> None:
    """Look again for what these clips are copies of, in place: rows of `clips`, and of `decisions`
    by clip. `kept` are the other accepted clips; it learns which of these are accepted now.

    Bounds and all other verdicts stay. What was accepted goes first: it is not withdrawn in favour
    of what was not. Then, as in an ingest, the largest face.
    """
    order = sorted(clips, key=lambda c: (not c["accepted"], -c["face_px"], c["clip_id"]))
    for clip in order:
        clip["duplicate_of"], score = kept.most_similar(clip)
        clip["duplicate_score"] = score
        for row in decisions[clip["clip_id"]]:
            if row["filter"] == _FILTER:
                row["score"] = score
                row["verdict"] = verdict_of(score, row["threshold"], row["rule"])
        failed = (row for row in decisions[clip["clip_id"]] if row["verdict"] == "fail")
        clip["reasons"] = [row["filter"] for row in failed]
        clip["accepted"] = not clip["reasons"]
        if clip["accepted"]:
            kept.add(clip)
