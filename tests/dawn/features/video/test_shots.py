"""Cuts are PySceneDetect's, without PySceneDetect."""

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
        picture = picture.clip(0, 255)
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


def test_shots_end_at_cuts_and_holes() -> None:
    assert list(shots([1, 2, 3, 4, 7, 8], [3])) == [[1, 2], [3, 4], [7, 8]]
