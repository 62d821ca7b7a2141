"""What MediaPipe measures in the rendered clips is what their truth says."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.synthetic.voice import CURVE_RATE, RATE, mouth_curve

# Points that blinks and speech leave in place.
_RIGID = [
    *(1, 4, 6, 168, 197, 195, 5, 10, 151, 9, 8, 33, 133, 362, 263, 70, 300, 105, 334, 234, 454),
    *(127, 356, 93, 323, 21, 251, 54, 284, 2, 98, 327, 50, 280),
]
_EYES = ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380))


def turns(mesh: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T, 3) yaw, pitch, roll in degrees against the first mesh, by Procrustes."""
    rigid = mesh[:, _RIGID].astype(np.float64)
    rigid -= rigid.mean(axis=1, keepdims=True)
    angles = []
    for shape in rigid:
        left, _, right = np.linalg.svd(shape.T @ rigid[0])
        turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
        angles.append(
            (
                np.arctan2(turn[2, 0], turn[2, 2]),
                np.arcsin(-turn[2, 1]),
                np.arctan2(-turn[0, 1], turn[1, 1]),
            )
        )
    return np.degrees(angles)


def eye_aspect(mesh: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T,) the eye aspect ratio, the mean of both eyes."""
    ratios = []
    for a, b, c, d, e, f in _EYES:

        def span(i: int, j: int) -> NDArray[np.float64]:
            return np.linalg.norm(mesh[:, i, :2] - mesh[:, j, :2], axis=-1)

        ratios.append((span(b, f) + span(c, e)) / (2 * span(a, d)))
    return np.mean(ratios, axis=0)


def lip_gap(mesh: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T,) distance of the inner lips over the face's height."""
    lips = np.linalg.norm(mesh[:, 13, :2] - mesh[:, 14, :2], axis=-1)
    return lips / np.linalg.norm(mesh[:, 10, :2] - mesh[:, 152, :2], axis=-1)


def shots(clip) -> list[slice]:
    edges = [0, *clip.truth.cut_frames, len(clip.mesh)]
    return [slice(start, end) for start, end in itertools.pairwise(edges)]


def test_pose_follows_truth(clip, face_kind):
    frames = clip(face_kind).truth.frames
    truth = np.array([frames.yaw, frames.pitch, frames.roll]).T
    for shot in shots(clip(face_kind)):
        error = turns(clip(face_kind).mesh[shot]) - truth[shot]
        error -= np.median(error, axis=0)
        assert np.abs(error).mean(axis=0) == pytest.approx([0, 0, 0], abs=2.5)
        assert (np.ptp(truth[shot], axis=0) > (12, 6, 6)).all()  # else standing still would pass


def test_every_blink_is_seen_and_none_invented(clip, face_kind):
    truth = clip(face_kind).truth
    time = np.array(truth.frames.time)
    assert truth.blinks
    for shot in shots(clip(face_kind)):
        ratio = eye_aspect(clip(face_kind).mesh[shot])
        shut = ratio < 0.6 * np.median(ratio)
        inside = np.zeros(len(ratio), bool)
        for start, end in truth.blinks:
            during = (time[shot] >= start - 0.04) & (time[shot] <= end + 0.04)
            if during.any():
                assert (shut & during).any()
            inside |= during
        assert not (shut & ~inside).any()


def test_mouth_follows_truth(clip, face_kind):
    truth = np.array(clip(face_kind).truth.frames.mouth)
    for shot in shots(clip(face_kind)):
        gap = lip_gap(clip(face_kind).mesh[shot])
        assert np.corrcoef(gap, truth[shot])[0, 1] > 0.95
        assert gap.min() < 0.01
        assert gap.max() > 0.08


@pytest.mark.parametrize("kind", ["plain", "variable", "delayed"])
def test_sound_delay_is_measured_back(clip, kind):
    sound, rate = clip(kind).sound
    loudness = mouth_curve(sound[:: rate // RATE])
    grid = np.arange(len(loudness)) / CURVE_RATE
    mouth = np.interp(grid, clip(kind).truth.frames.time, lip_gap(clip(kind).mesh))
    lags = range(-40, 41)
    middle = slice(40, len(grid) - 40)
    match = [np.corrcoef(mouth[middle], np.roll(loudness, -lag)[middle])[0, 1] for lag in lags]
    found_ms = 1000 / CURVE_RATE * lags[int(np.argmax(match))]
    assert found_ms == pytest.approx(clip(kind).truth.audio_delay_ms, abs=20)


def test_no_face_is_found_where_there_is_none(clip):
    from dawn.features.faces.landmarks import FaceMesh

    with FaceMesh(still=True) as finder:
        assert all(finder.detect(frame) is None for frame in clip("faceless").frames[::10])
