"""Jump cuts: footage left out of a take."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.features.video.decode import read_frames
from dawn.features.video.jumps import SIDE, grey_picture, jumps, largest_jump
from dawn.features.video.probe import probe

BOUND = 2.5  # what the filter's documentation proposes
FRAMES = 60
CUT = 24


@pytest.fixture(scope="module")
def crops(footage: Path) -> list[NDArray[np.uint8]]:
    path = footage / "second.mp4"
    return [picture[:, :256] for _, picture in read_frames(path, probe(path), 0, FRAMES)]


def greys(crops: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    return [grey_picture(crop[16:-16, 16:-16]) for crop in crops]


def test_twelve_missing_frames_are_seen_and_a_whole_take_is_not(
    crops: list[NDArray[np.uint8]],
) -> None:
    broken = greys(crops[:CUT] + crops[CUT + 12 :])
    assert largest_jump(greys(crops)) < BOUND < largest_jump(broken)
    assert np.argmax(jumps(broken)) == CUT - 1


def test_a_jerk_of_the_camera_and_a_picture_shown_twice_are_none(
    crops: list[NDArray[np.uint8]],
) -> None:
    jerk = [
        np.roll(crop, (6, 8), axis=(0, 1)) if t >= CUT else crop for t, crop in enumerate(crops)
    ]
    assert largest_jump(greys(jerk)) < BOUND
    slower = [crops[t - t % 3 // 2] for t in range(FRAMES)]  # 16.7 frames a second
    assert largest_jump(greys(slower)) < BOUND


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_too_few_frames_have_no_jump(count: int) -> None:
    assert largest_jump([np.full((SIDE, SIDE), 9 * k, np.uint8) for k in range(count)]) == 0
