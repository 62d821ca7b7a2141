"""Curves of movement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.synthetic.motion import PITCH, ROLL, YAW, Blink, make_motion

_STILL = np.zeros(100, np.float32)


@given(seed=st.integers(0, 10**6), time=st.floats(0, 60))
@settings(max_examples=60, deadline=None)
def test_angles_stay_within_their_limits(seed, time):
    state = make_motion(60.0, seed, _STILL).at(time)
    assert abs(state.yaw) <= YAW
    assert abs(state.pitch) <= PITCH
    assert abs(state.roll) <= ROLL
    assert 0 <= state.eye <= 1


@pytest.mark.parametrize("seed", range(5))
def test_heads_move_smoothly_and_far_enough(seed):
    motion = make_motion(10.0, seed, _STILL)
    yaw = np.array([motion.at(t).yaw for t in np.arange(0, 10, 0.04)])
    assert np.ptp(yaw) > YAW
    assert np.abs(np.diff(yaw)).max() < 3  # degrees a frame


@pytest.mark.parametrize("seed", range(8))
def test_blinks_last_five_to_eight_frames_at_a_human_rate(seed):
    motion = make_motion(60.0, seed, _STILL)
    assert 0.2 <= len(motion.blinks) / 60 <= 0.5
    eye = np.array([motion.at(t).eye for t in np.arange(0, 60, 0.04)])
    for blink in motion.blinks:
        during = eye[int(blink.start / 0.04) : int(blink.end / 0.04) + 2]
        assert 5 <= (during < 1).sum() <= 8
        assert during.min() < 0.05
    assert (eye < 1).sum() <= 8 * len(motion.blinks)


def test_a_blink_is_shut_in_its_middle_and_open_at_its_ends():
    blink = Blink(1.0, 1.3)
    assert [blink.closure(t) for t in (0.9, 1.0, 1.12, 1.3, 1.4)] == pytest.approx([0, 0, 1, 0, 0])


def test_the_mouth_curve_is_read_at_its_own_times():
    curve = np.zeros(100, np.float32)
    curve[50] = 1  # the hundredth from 0.50 to 0.51 s
    motion = make_motion(1.0, 0, curve)
    assert motion.at(0.505).mouth == pytest.approx(1)
    assert motion.at(0.48).mouth == 0
