"""Filters: each holds one measure of a clip against a bound and says pass, fail or not judged.

Measures are stored, so another threshold needs no video: the verdicts are recomputed, and
`what_if(filter, threshold)` answers without even that.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterConfig:
    """The bounds. docs/dataset.md gives the reason of each default; null turns a filter off."""

    min_seconds: float | None = 1.64
    """41 frames: DAWN's second stage takes 40 and a reference (Section 4 of the paper)."""
    min_landmarks_found: float | None = 0.95
    """The rest is interpolated; more than 5 % would be invented motion."""
    min_face_px: float | None = 64.0
    """Half of the 128-px model's picture; smaller faces are mostly upscaling."""
    max_other_faces: float | None = 0.05
    """One face only, as LatentSync and TalkVid ask; a passer-by of a few frames is let through."""
    max_cut_off: float | None = 0.1
    """A face cut by the picture's edge has no true outline."""
    min_sharpness: float | None = 8.0
    """Laplacian variance at 128 px; real clips measured 18 to 600, strong defocus below 5."""
    min_brightness: float | None = 30.0
    """As Anyscale's video curation (30 to 240)."""
    max_brightness: float | None = 240.0
    max_yaw_p95: float | None = 50.0
    """Beyond, one eye is hidden and its ratio means nothing."""
    max_pitch_p95: float | None = 40.0
    min_voiced: float | None = 0.15
    """A speaker's pauses leave far more; silence and noise far less."""
    min_agreement_syncnet: float | None = 3.0
    """LatentSync's bound on SyncNet confidence."""
    min_agreement_lr_asd: float | None = 0.0
    """The proxy's margin of the own sound over shifted sound; own sound is above 0."""
    max_agreement_offset: int | None = 6
    """Frames; LatentSync's bound. Beyond, sound and picture belong to different moments. Judged
    by SyncNet alone: the proxy's best shift is often wild."""
    max_duplicate: float | None = 0.85
    """Likeness to a clip that was kept. Re-encoded, cropped and mirrored copies measured 0.91 to
    1, different clips below 0.6."""


Verdict = Literal["pass", "fail", "not_judged"]

# filter -> (column of `clips`, which side the bound is on, setting)
RULES: dict[str, tuple[str, Literal["min", "max"], str]] = {
    "length": ("duration_s", "min", "min_seconds"),
    "landmarks": ("landmarks_found", "min", "min_landmarks_found"),
    "face_size": ("face_px", "min", "min_face_px"),
    "one_face": ("other_faces", "max", "max_other_faces"),
    "cut_off": ("cut_off", "max", "max_cut_off"),
    "sharp": ("sharpness", "min", "min_sharpness"),
    "dark": ("brightness", "min", "min_brightness"),
    "bright": ("brightness", "max", "max_brightness"),
    "yaw": ("yaw_p95", "max", "max_yaw_p95"),
    "pitch": ("pitch_p95", "max", "max_pitch_p95"),
    "speech": ("voiced", "min", "min_voiced"),
    "agreement": ("agreement", "min", "min_agreement_lr_asd"),
    "offset": ("agreement_offset", "max", "max_agreement_offset"),
    "duplicate": ("duplicate_score", "max", "max_duplicate"),
}

EXPLANATIONS = {
    "length": "too short",
    "landmarks": "the face was lost too often",
    "face_size": "the face is too small",
    "one_face": "another face is in the crop",
    "cut_off": "the picture's edge cuts the face",
    "sharp": "the face is blurred",
    "dark": "the face is too dark",
    "bright": "the face is too bright",
    "yaw": "the head turns too far aside",
    "pitch": "the head tilts too far up or down",
    "speech": "no voice is heard",
    "agreement": "the mouth does not go with the sound",
    "offset": "sound and picture are shifted against each other",
    "duplicate": "the same footage is there already",
    "one_split": "the person is in another split",
}


def judge(clip: dict[str, Any], config: FilterConfig) -> list[dict[str, object]]:
    """A clip's rows of `decisions`, from its row of `clips`. Filters that are off give none.

    `one_split` has no setting and stands only where it fails: `divided` clips, which would put a
    person into a second split (`dawn.curation.splits`).
    """
    rows = []
    for name, (column, rule, setting) in RULES.items():
        if name == "agreement" and clip["agreement_by"] == "syncnet":
            setting = "min_agreement_syncnet"
        threshold = getattr(config, setting)
        if threshold is None:
            continue
        score = clip[column]
        if name == "offset":
            score = abs(score) if clip["agreement_by"] == "syncnet" else None
        rows.append(_decision(clip, name, score, threshold, rule))
    if clip.get("divided"):
        rows.append(_decision(clip, "one_split", 2, 1, "max"))
    return rows


def _decision(
    clip: dict[str, Any], name: str, score: float | None, threshold: float, rule: str
) -> dict[str, object]:
    return {
        "clip_id": clip["clip_id"],
        "video_id": clip["video_id"],
        "filter": name,
        "score": None if score is None else float(score),
        "threshold": float(threshold),
        "rule": rule,
        "verdict": _verdict(score, threshold, rule),
    }


def why_none_passed(decisions: list[dict[str, object]]) -> str:
    """The most frequent failures of a video's clips, in words, with score and bound."""
    failed: dict[str, list[dict[str, object]]] = {}
    for row in decisions:
        if row["verdict"] == "fail":
            failed.setdefault(str(row["filter"]), []).append(row)
    worst = sorted(
        failed.items(), key=lambda item: (-len(item[1]), list(EXPLANATIONS).index(item[0]))
    )
    return "; ".join(
        f"{EXPLANATIONS[name]} ({name} {rows[0]['score']:.3g}, bound {rows[0]['threshold']:.3g})"
        for name, rows in worst
    )


def _verdict(score: float | None, threshold: float, rule: str) -> Verdict:
    if score is None:
        return "not_judged"
    good = score >= threshold if rule == "min" else score <= threshold
    return "pass" if good else "fail"


# Every bound has a rule (SyncNet's stands in for the proxy's): a setting cannot be forgotten.
if unused := {field.name for field in fields(FilterConfig)} - {
    *(setting for _, _, setting in RULES.values()),
    "min_agreement_syncnet",
}:
    raise RuntimeError(f"no filter uses {unused}")
