"""Jump cuts: footage left out of a take."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.features.faces.jumps import jerks, largest_jump
from dawn.features.faces.landmarks import following
from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe

BOUND = 3.5  # what the filter's documentation proposes
FRAMES = 60
CUT = 24


@pytest.fixture(scope="module")
def pictures(footage: Path) -> list[NDArray[np.uint8]]:
    path = footage / "second.mp4"
    return [picture for _, picture in read_frames(path, probe(path), 0, FRAMES)]


def meshes(pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    with following() as mesh:
        found = [mesh.detect(picture) for picture in pictures]
    return np.stack([points for points in found if points is not None])


def test_twelve_missing_frames_are_seen_and_a_whole_take_is_not(
    pictures: list[NDArray[np.uint8]],
) -> None:
    whole, broken = meshes(pictures), meshes(pictures[:CUT] + pictures[CUT + 12 :])
    assert (len(whole), len(broken)) == (FRAMES, FRAMES - 12)
    assert largest_jump(whole) < BOUND < largest_jump(broken)
    assert jerks(broken).argmax() == CUT - 1


def test_a_steady_pan_is_no_jump_and_scale_does_not_matter(
    pictures: list[NDArray[np.uint8]],
) -> None:
    whole = meshes(pictures[:CUT])
    pan = whole + 3 * np.arange(CUT)[:, None, None].astype(np.float32)
    assert largest_jump(pan) == pytest.approx(largest_jump(whole), rel=1e-3)
    assert largest_jump(2 * whole) == pytest.approx(largest_jump(whole), rel=1e-3)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_too_few_frames_have_no_jump(count: int) -> None:
    assert largest_jump(np.zeros((count, 478, 3), np.float32)) == 0
