"""The same footage is found whatever was done to it; other footage of the same person is not."""

import random
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.curation.decisions import FilterConfig
from dawn.curation.duplicates import KeptFootage, copies_across_splits, mark_duplicates
from dawn.features.video.fingerprint import hash_frames, motion_curves, picture_hashes

THRESHOLD = FilterConfig().max_duplicate or 0.0
SIDE = 96


def smooth(draw: np.random.Generator, frames: int, seconds: float, spread: float) -> Any:
    """A random curve that changes its mind after about that many seconds."""
    knots = draw.normal(0, spread, int(frames / 25 / seconds) + 3)
    return np.interp(np.arange(frames) / 25 / seconds, np.arange(len(knots)), knots)


def scene(seed: int) -> NDArray[np.uint8]:
    """A face that no other seed has, as far as hashes can tell."""
    rough = np.random.default_rng(seed).integers(0, 255, (6, 7, 3), dtype=np.uint8)
    return cv2.resize(rough, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def footage(
    seed: int,
    *,
    face: int | None = None,
    cut: slice = slice(None),
    speed: float = 1.0,
    mirror: bool = False,
    grade: bool = False,
    noise: float = 0.0,
    frames: int = 150,
    **changes: Any,
) -> Any:
    """The row of a clip that shows a random face with random motion, after an editor's hands."""
    draw, jitter = np.random.default_rng(seed), np.random.default_rng(99)
    mouth = 0.15 + smooth(draw, frames, 0.2, 0.06)
    eyes = 0.3 + smooth(draw, frames, 0.3, 0.04)
    pitch, yaw = smooth(draw, frames, 0.7, 4), smooth(draw, frames, 0.9, 5)
    at = np.arange(0, frames - 1, speed)
    curves = [np.interp(at, np.arange(frames), x)[cut] for x in (mouth, eyes, pitch, yaw)]
    mouth, eyes, pitch, yaw = (
        x + jitter.normal(0, noise * unit, len(x))
        for x, unit in zip(curves, (0.01, 0.01, 0.3, 0.3), strict=True)
    )
    picture = scene(seed if face is None else face).astype(float)
    if grade:
        picture = 255 * (picture / 255) ** 0.8 * 0.8 + 20
    picture = np.clip(picture + jitter.normal(0, 5 * noise, picture.shape), 0, 255)
    picture = picture[:, ::-1] if mirror else picture
    pose = np.zeros((len(mouth), 7))
    pose[:, 0], pose[:, 1] = -yaw if mirror else yaw, pitch
    both_eyes = np.stack([eyes, eyes], axis=1).astype(np.float32)
    box = np.array([20, 76, 20, 76], np.float32)
    pairs = [
        picture_hashes(np.ascontiguousarray(picture, np.uint8), box)
        for _ in hash_frames(len(mouth))
    ]
    return {
        "clip_id": f"{seed}-{random.Random(repr((cut, speed, mirror, noise))).random()}",
        "frames": len(mouth), "face_px": 100.0, "eligible": True, "split": "train",
        "picture_hashes": [plain for plain, _ in pairs],
        "mirror_hashes": [mirrored for _, mirrored in pairs],
        "motion_curves": motion_curves(mouth, pose, both_eyes).ravel().tolist(),
    } | changes  # fmt: skip


COPIES: dict[str, dict[str, Any]] = {
    "re-encoded": {"noise": 1.0},
    "graded": {"grade": True, "noise": 0.5},
    "mirrored": {"mirror": True},
    "head cut off": {"cut": slice(15, None), "noise": 0.5},
    "tail cut off": {"cut": slice(0, 57), "noise": 0.5},
    "both, mirrored": {"cut": slice(22, 101), "mirror": True, "noise": 0.5},
    "5 % faster": {"speed": 1.05, "noise": 0.5},
    "5 % slower, mirrored": {"speed": 0.95, "mirror": True},
    "as film on PAL": {"speed": 25 / 24, "noise": 0.5},
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("kept_is_the_copy", [False, True])
def test_copies_are_found_whatever_their_length(name: str, kept_is_the_copy: bool) -> None:
    source, copy = footage(1), footage(1, **COPIES[name])
    first, second = (copy, source) if kept_is_the_copy else (source, copy)
    first["face_px"] = 120.0
    clips = [second, first, *(footage(k) for k in range(2, 12))]
    random.Random(0).shuffle(clips)
    mark_duplicates(clips, KeptFootage(), THRESHOLD)
    assert second["duplicate_of"] == first["clip_id"]
    assert second["duplicate_score"] > THRESHOLD + 0.05
    assert all(clip["duplicate_score"] < THRESHOLD for clip in clips if clip is not second)


def test_a_minute_that_begins_half_a_minute_later_is_a_copy() -> None:
    long = footage(1, frames=2250, cut=slice(0, 1500))
    late = footage(1, frames=2250, cut=slice(707, 2207), face_px=50.0)
    mark_duplicates([long, late], KeptFootage(), THRESHOLD)
    assert late["duplicate_of"] == long["clip_id"]


def test_other_takes_of_the_same_face_are_no_copies() -> None:
    clips = [footage(k, face=1, frames=75 + 10 * (k % 4)) for k in range(1, 25)]
    mark_duplicates(clips, KeptFootage(), THRESHOLD)
    assert max(clip["duplicate_score"] for clip in clips) > 0  # they were compared
    assert max(clip["duplicate_score"] for clip in clips) < THRESHOLD - 0.05


def test_a_face_that_does_not_move_is_like_none() -> None:
    clips = [footage(1), footage(1)]
    for clip, name in zip(clips, "ab", strict=True):
        clip |= {"clip_id": name, "motion_curves": [128] * len(clip["motion_curves"])}
    mark_duplicates(clips, KeptFootage(), THRESHOLD)
    assert [clip["duplicate_score"] for clip in clips] == [0.0, 0.0]


def test_scores_do_not_depend_on_the_company() -> None:
    """What else is kept, in which order, changes no score."""
    alike = [footage(k, face=1, frames=70 + k) for k in range(1, 12)]
    query = footage(3, face=1, frames=73, noise=1.0)
    alone = KeptFootage()
    alone.add(alike[2])
    expected = alone.most_similar(query)
    for seed in range(3):
        random.Random(seed).shuffle(alike)
        kept = KeptFootage()
        for clip in alike:
            kept.add(clip)
        assert kept.most_similar(query) == expected


def test_among_many_of_one_speaker_the_likeliest_are_compared() -> None:
    """Copies get the answer that comparing them with all gives; other takes get none above it."""
    takes = [footage(k, face=1, frames=90 + k) for k in range(1, 101)]
    by_all, by_index = KeptFootage(), KeptFootage(compared=8)
    for take in takes:
        by_all.add(take)
        by_index.add(take)
    for k, (name, changes) in enumerate(COPIES.items(), 3):
        copy = footage(k, face=1, frames=90 + k, **changes | {"noise": 2.0})
        found = by_index.most_similar(copy)
        assert found == by_all.most_similar(copy), name
        assert found[0] == takes[k - 1]["clip_id"], name
        assert found[1] > THRESHOLD, name
    for k in range(101, 111):
        other = footage(k, face=1)
        assert by_index.most_similar(other)[1] <= by_all.most_similar(other)[1] < THRESHOLD


def test_what_is_no_longer_kept_is_like_none_until_it_is_kept_again() -> None:
    clip, copy = footage(1), footage(1, cut=slice(20, None))
    kept = KeptFootage()
    kept.add(clip)
    _, score = kept.most_similar(copy)
    assert score > THRESHOLD
    kept.forget([clip["clip_id"], "another"])
    assert kept.most_similar(copy) == (None, 0.0)
    kept.add(clip)
    assert kept.most_similar(copy) == (clip["clip_id"], score)


def test_a_dropped_clip_takes_no_good_copy_with_it() -> None:
    large, small = footage(1, eligible=False), footage(1, noise=1.0, face_px=50.0)
    mark_duplicates([large, small], KeptFootage(), THRESHOLD)
    assert small["duplicate_score"] == 0.0


def test_copies_across_splits_are_found_and_inside_a_split_are_not() -> None:
    source, near = footage(1), footage(1, noise=0.5)
    far = footage(1, cut=slice(20, None), split="val")
    found = copies_across_splits([source, near, far, footage(2, split="test")], THRESHOLD)
    assert [(clip, other) for clip, other, _ in found] == [(far["clip_id"], source["clip_id"])]


def test_clips_of_older_versions_are_like_none() -> None:
    old = {"clip_id": "old", "picture_hashes": [1] * 5, "mirror_hashes": [2] * 5, "split": "val"}
    assert copies_across_splits([old, footage(1), old | {"motion_curves": None}], 0.1) == []
