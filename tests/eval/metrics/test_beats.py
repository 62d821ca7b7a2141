"""Beats of known curves, and their alignment worked out by hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dawn.features.faces.threeddfa import _euler
from eval.metrics.beats import alignment, audio_beats, chance, head_speed, motion_beats, rotations


def test_rotations_are_scipy_s() -> None:
    angles = np.random.default_rng(0).uniform(-80, 80, (50, 3))
    yaw, pitch, roll = angles.T
    expected = Rotation.from_euler("ZYX", np.stack([roll, -yaw, pitch], axis=1), degrees=True)
    assert np.abs(rotations(angles) - expected.as_matrix()).max() < 1e-12


def test_alignment_is_the_mean_over_the_first_kind_of_beat() -> None:
    # exp(-0 / 18) = 1, exp(-9 / 18) = 0.60653, exp(-36 / 18) = 0.13534
    heard, moved = np.array([10.0, 23.0, 46.0]), np.array([10.0, 20.0, 40.0, 90.0])
    assert alignment(heard, moved) == pytest.approx((1 + 0.60653 + 0.13534) / 3, abs=1e-5)
    # The other way round: 90 is 44 frames from a sound, which counts as nothing.
    assert alignment(moved, heard) == pytest.approx((1 + 0.60653 + 0.13534 + 0) / 4, abs=1e-5)
    assert alignment(heard, np.empty(0)) == 0
    with pytest.raises(ValueError, match="no beats"):
        alignment(np.empty(0), moved)


def test_chance_is_what_unrelated_beats_have() -> None:
    moved = np.arange(5.0, 100, 20)  # five lulls, evenly spread
    assert alignment(moved, moved) == 1
    # Turned by anything, such beats miss by 0 to 10 frames: the mean of the bell over a period.
    bell = np.mean([np.exp(-(min(k, 20 - k) ** 2) / 18) for k in range(20)])
    assert chance(moved, moved, 100, 10) == pytest.approx(bell, abs=0.02)
    with pytest.raises(ValueError, match="too few"):
        chance(moved, moved, 20, 12)


def test_angles_make_the_rotation_they_were_read_from() -> None:
    angles = np.array([[10.0, 5.0, -7.0], [-40.0, 25.0, 30.0]])
    for turn, expected in zip(rotations(angles), angles, strict=True):
        np.testing.assert_allclose(np.degrees(_euler(turn)), expected, atol=1e-9)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)


def test_speed_is_the_angle_of_the_turn() -> None:
    for axis in range(3):
        angles = np.zeros((4, 3))
        angles[:, axis] = [0, 3, 3, -2]
        np.testing.assert_allclose(head_speed(angles), [3, 0, 5], atol=1e-9)


def test_a_head_pauses_at_the_ends_of_its_swing() -> None:
    time = np.arange(200)
    angles = np.zeros((200, 3))
    angles[:, 0] = 15 * np.sin(2 * np.pi * time / 50)
    beats = motion_beats(head_speed(angles))
    np.testing.assert_allclose(beats, [12.5, 37.5, 62.5, 87.5, 112.5, 137.5, 162.5, 187.5], atol=1)
    assert not len(motion_beats(np.zeros(199)))
    jitter = np.abs(np.random.default_rng(0).normal(0, 0.05, 199))
    assert not len(motion_beats(jitter))


def test_onsets_are_where_sound_begins() -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 1e-4, 100 * 640).astype(np.float32)
    starts = [10, 30, 55, 80]
    for start in starts:
        burst = rng.normal(0, 0.2, 6 * 640) * np.exp(-np.arange(6 * 640) / 1500)
        sound[start * 640 : (start + 6) * 640] += burst.astype(np.float32)
    np.testing.assert_allclose(audio_beats(sound), starts, atol=0.75)
    quiet = sound.copy()
    quiet[20 * 640 :] *= 1e-3
    assert len(audio_beats(quiet)) == 1  # what is 60 dB below the loud part is no beat
    assert not len(audio_beats(np.zeros(6400, np.float32)))
