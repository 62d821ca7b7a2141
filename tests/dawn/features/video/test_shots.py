"""Cuts are PySceneDetect's, without PySceneDetect."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenedetect.detectors import AdaptiveDetector

from dawn.features.video.shots import ShotConfig, ShotDetector, shots


def film(seed: int, length: int = 160) -> list[NDArray[np.uint8]]:
    """Pictures (72, 96, 3) that drift, flicker, stand still, and are cut now and then: the rule
    compares frame by frame, so each kind comes near its bounds somewhere.
    """
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (72, 96, 3))
    frames = []
    for _ in range(length):
        match random.integers(12):
            case 0:
                picture = random.integers(0, 256, (72, 96, 3)) // random.integers(1, 9)
            case 1:
                picture = picture + random.integers(-40, 41)
            case 2 | 3:
                pass
            case _:
                picture = picture + random.integers(-6, 7, (72, 96, 3))
        picture = picture.clip(40, 255)  # hue in the dark is another matter
        frames.append(picture.astype(np.uint8))
    return frames


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "config", [ShotConfig(), ShotConfig(adaptive_threshold=1.5, min_content_change=4)]
)
def test_cuts_are_those_of_pyscenedetect(seed: int, config: ShotConfig) -> None:
    theirs = AdaptiveDetector(
        adaptive_threshold=config.adaptive_threshold,
        min_content_val=config.min_content_change,
        min_scene_len=config.min_shot_frames,
    )
    ours, expected = ShotDetector(config), []
    for index, frame in enumerate(film(seed), start=100):
        if index % 29 == 0:
            continue  # frames may be missing
        ours.add(index, frame)
        expected += theirs.process_frame(index, np.ascontiguousarray(frame[..., ::-1]))
    assert len(expected) >= 4
    assert ours.cuts == expected


def moving(shifts: list[int], seed: int = 0) -> list[NDArray[np.uint8]]:
    """A camera that pans over one scene by these steps."""
    scene = np.random.default_rng(seed).integers(60, 220, (18, 60, 3)).astype(np.uint8)
    scene = cv2.resize(scene, (600, 180), interpolation=cv2.INTER_CUBIC)
    places = np.cumsum(shifts)
    return [np.ascontiguousarray(scene[:, at : at + 240]) for at in places]


def detect(pictures: list[NDArray[np.uint8]]) -> ShotDetector:
    detector = ShotDetector(ShotConfig())
    for index, picture in enumerate(pictures):
        detector.add(index, picture)
    return detector


def test_dropped_frames_in_a_pan_are_no_cut() -> None:
    steps = [4] * 12 + [28] + [4] * 12
    assert detect(moving(steps)).cuts == []
    one, other = moving([4] * 13), moving([4] * 13, seed=1)
    assert detect([*one, *other]).cuts == [13]  # another scene is one


def test_colours_that_flicker_in_the_dark_are_no_cut() -> None:
    random = np.random.default_rng(0)
    dark = [random.integers(0, 14, (72, 96, 3)).astype(np.uint8) for _ in range(8)]
    green, blue = (np.full((72, 96, 3), c, np.uint8) for c in ((6, 14, 6), (6, 6, 14)))
    steady = [p // 8 + green for p in dark] + [p // 8 + blue for p in dark]
    assert detect(steady).cuts == []


@pytest.mark.parametrize("length", [12, 25, 50])
@pytest.mark.parametrize("through_black", [False, True])
def test_transitions_belong_to_no_shot(length: int, through_black: bool) -> None:
    one, other = (moving([1] * 40, seed)[0].astype(float) for seed in (0, 1))
    share = np.clip((np.arange(120) - 30) / length, 0, 1)[:, None, None, None]
    mixed = (1 - share) * one + share * other
    if through_black:
        mixed = one * np.clip(1 - 2 * share, 0, 1) + other * np.clip(2 * share - 1, 0, 1)
    detector = detect(list(mixed.astype(np.uint8)))
    shown = np.clip((np.arange(120) - 30) / length, 0, 1)
    middle = {i for i in range(120) if 0.2 < shown[i] < 0.8}
    clear = {i for i in range(120) if i < 26 or i > 34 + length}
    assert middle <= detector.unclear | set(detector.cuts)
    assert not clear & detector.unclear


def test_movement_is_no_transition() -> None:
    assert detect(moving([3] * 100)).unclear == set()


def test_shots_end_at_cuts_and_holes() -> None:
    assert list(shots([1, 2, 3, 4, 7, 8], [3])) == [[1, 2], [3, 4], [7, 8]]
