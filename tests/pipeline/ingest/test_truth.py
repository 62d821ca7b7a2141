"""The dataset of the rendered footage, held against what was rendered."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.synthetic.footage import footage_kinds
from dawn.synthetic.truth import Truth, read_truth, truth_path
from manifests.catalog import rows
from manifests.store import Dataset

WITH_FACE = [kind.name for kind in footage_kinds() if kind.people and not kind.damage]

# Ours follow 3DDFA: yaw to the picture's left, pitch down, roll anticlockwise. The renderer's
# truth has the opposite signs.
SIGNS = {"yaw": -1, "pitch": -1, "roll": -1}


@cache
def all_clips(root: str) -> list[dict[str, Any]]:
    """Clips with their frames and their videos' sources; tests must not change them."""
    dataset = Dataset(root)
    clips = rows(
        dataset, "SELECT clips.*, sources FROM clips JOIN videos USING (video_id) ORDER BY clip_id"
    )
    frames = rows(
        dataset,
        "SELECT clip_id, frame, time_s, pose, mouth, loudness_db "
        "FROM frames JOIN audio USING (clip_id, frame) ORDER BY frame",
    )
    for clip in clips:
        clip["table"] = [row for row in frames if row["clip_id"] == clip["clip_id"]]
    return clips


def clips_of(dataset: Dataset, footage: Path, name: str) -> tuple[Truth, list[dict[str, Any]]]:
    """The truth of a sample video, and its clips with their frames."""
    path = footage / f"{name}.mp4"
    clips = [clip for clip in all_clips(dataset.path) if str(path) in clip["sources"]]
    return read_truth(truth_path(path)), clips


def at_frames(truth: Truth, name: str, clip: dict[str, Any]) -> NDArray[np.float64]:
    """A curve of the truth at the clip's frame times."""
    times = [row["time_s"] for row in clip["table"]]
    return np.interp(times, truth.frames.time, getattr(truth.frames, name))


@pytest.mark.parametrize("name", WITH_FACE)
def test_pose_follows_the_head_within_4_degrees(name: str, dataset: Dataset, footage: Path) -> None:
    truth, clips = clips_of(dataset, footage, name)
    assert clips
    for clip in clips:
        pose = np.array([row["pose"] for row in clip["table"]])
        for k, (angle, sign) in enumerate(SIGNS.items()):
            difference = sign * pose[:, k] - at_frames(truth, angle, clip)
            error = np.abs(difference - difference.mean()).mean()
            assert error <= 4, f"{angle} of {clip['clip_id']}"


@pytest.mark.parametrize("name", WITH_FACE)
def test_every_blink_is_found_and_none_invented(name: str, dataset: Dataset, footage: Path) -> None:
    truth, clips = clips_of(dataset, footage, name)
    found = [
        (clip["start_s"] + blink["start"] / 25, clip["start_s"] + blink["stop"] / 25)
        for clip in clips
        for blink in clip["blinks"]
    ]
    assert len(found) == len(truth.blinks)
    for (start, stop), (true_start, true_stop) in zip(found, truth.blinks, strict=True):
        middle = (true_start + true_stop) / 2
        assert start <= middle <= stop


@pytest.mark.parametrize("name", WITH_FACE)
def test_mouth_opening_follows_the_mouth(name: str, dataset: Dataset, footage: Path) -> None:
    truth, clips = clips_of(dataset, footage, name)
    for clip in clips:
        mouth = [row["mouth"] for row in clip["table"]]
        assert np.corrcoef(mouth, at_frames(truth, "mouth", clip))[0, 1] >= 0.9


@pytest.mark.parametrize("name", WITH_FACE)
def test_cuts_are_exact_to_a_frame(name: str, dataset: Dataset, footage: Path) -> None:
    truth, clips = clips_of(dataset, footage, name)
    (cuts,) = {
        tuple(row["cuts"])
        for row in rows(dataset, "SELECT cuts, sources FROM videos")
        if str(footage / f"{name}.mp4") in row["sources"]
    }
    expected = [round(truth.frames.time[frame] * 25) for frame in truth.cut_frames]
    assert len(cuts) == len(expected)
    assert np.abs(np.array(cuts) - expected).max(initial=0) <= 1
    assert [clip["start_frame"] for clip in clips] == [0, *cuts]


@pytest.mark.parametrize("name", [n for n in WITH_FACE if n not in ("silent", "delayed")])
def test_sound_is_in_step_with_the_picture(name: str, dataset: Dataset, footage: Path) -> None:
    assert abs(sound_lag(dataset, footage, name)) <= 0.3


def test_a_delay_put_in_is_measured_back(dataset: Dataset, footage: Path) -> None:
    truth = read_truth(footage / "delayed.truth.json")
    lag = sound_lag(dataset, footage, "delayed")
    assert lag == pytest.approx(truth.audio_delay_ms / 40, abs=0.3)


def sound_lag(dataset: Dataset, footage: Path, name: str) -> float:
    """Frames by which the sound's loudness lags behind the mouth, to a fraction of a frame."""
    _, clips = clips_of(dataset, footage, name)
    lags = range(-10, 11)
    total = np.zeros(len(lags))
    for clip in clips:
        # A picture shows a moment, its loudness the 40 ms that follow: compare their middles.
        shown = np.array([row["mouth"] for row in clip["table"]])
        mouth = np.interp(np.arange(len(shown)) + 0.5, np.arange(len(shown)), shown)
        loudness = 10 ** (np.array([row["loudness_db"] for row in clip["table"]]) / 20)
        inner = slice(10, len(mouth) - 10)
        for k, lag in enumerate(lags):
            total[k] += np.corrcoef(mouth[inner], np.roll(loudness, -lag)[inner])[0, 1]
    best = int(total.argmax())
    a, b, c = total[best - 1 : best + 2]
    return lags[best] + 0.5 * (a - c) / (a - 2 * b + c)


def test_frames_and_features_are_aligned(dataset: Dataset) -> None:
    counted = rows(
        dataset,
        """
        SELECT clip_id, clips.frames AS expected,
               (SELECT count(*) FROM frames WHERE frames.clip_id = clips.clip_id) AS frames,
               (SELECT count(*) FROM audio WHERE audio.clip_id = clips.clip_id) AS audio
        FROM clips
        """,
    )
    assert counted
    assert all(row["frames"] == row["audio"] == row["expected"] for row in counted)


def test_each_sample_video_ends_as_it_should(dataset: Dataset, footage: Path) -> None:
    outcome = {
        Path(row["sources"][0]).stem: (row["status"], row["reason"], row["clips_accepted"])
        for row in rows(dataset, "FROM videos")
    }
    assert outcome == {
        **dict.fromkeys(
            ("plain", "ntsc", "variable", "rotated", "delayed", "second"), ("ok", None, 1)
        ),
        "cut": ("ok", None, 2),
        "silent": ("rejected", "no_clip_passed", 0),
        "faceless": ("rejected", "no_face", 0),
        "truncated": ("quarantined", "truncated", 0),
        "text": ("quarantined", "not_a_video", 0),
    }
