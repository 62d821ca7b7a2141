"""What filters say of clips when others come or go that show the same footage."""

from collections.abc import Iterable, Mapping
from typing import Any

from dawn.curation.decisions import verdict_of
from dawn.curation.duplicates import KeptFootage

_FILTER = "duplicate"

Decisions = Mapping[str, list[dict[str, Any]]]
"""Rows of `decisions` by clip."""


def judge_orphans(clips: Iterable[dict[str, Any]], decisions: Decisions, kept: KeptFootage) -> None:
    """Look again for what these clips are copies of, in place: rows of `clips` whose most similar
    clip is gone. `kept` are the other accepted clips; it learns which of these are accepted now.

    Bounds and all other verdicts stay. What was accepted goes first: it is not withdrawn in favour
    of what was not. Then, as in an ingest, the largest face.
    """
    order = sorted(clips, key=lambda c: (not c["accepted"], -c["face_px"], c["clip_id"]))
    for clip in order:
        _say(clip, decisions, *kept.most_similar(clip))
        if clip["accepted"]:
            kept.add(clip)


def judge_newcomers(
    clips: Iterable[dict[str, Any]], decisions: Decisions, kept: KeptFootage
) -> list[str]:
    """Hold judged clips against others that were kept before, in place; ids of those that differ.

    What a clip was most alike stays where nothing kept is more so.
    """
    changed = []
    for clip in clips:
        name, score = kept.most_similar(clip)
        if name is not None and score > (clip["duplicate_score"] or 0.0):
            _say(clip, decisions, name, score)
            changed.append(str(clip["clip_id"]))
    return changed


def _say(clip: dict[str, Any], decisions: Decisions, name: str | None, score: float) -> None:
    """Set a clip's most similar clip, and what follows from it."""
    clip["duplicate_of"], clip["duplicate_score"] = name, score
    for row in decisions[clip["clip_id"]]:
        if row["filter"] == _FILTER:
            row["score"] = score
            row["verdict"] = verdict_of(score, row["threshold"], row["rule"])
    failed = (row for row in decisions[clip["clip_id"]] if row["verdict"] == "fail")
    clip["reasons"] = [row["filter"] for row in failed]
    clip["accepted"] = not clip["reasons"]
