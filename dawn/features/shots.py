"""Shot cuts: where the picture changes at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotConfig:
    """PySceneDetect's adaptive detector: a frame's change against its neighbours' mean change."""

    adaptive_threshold: float = 3.0
    min_content_change: float = 12.0
    """Mean change in hue, saturation and brightness (0-255) below which nothing is a cut."""
    min_shot_frames: int = 5


class ShotDetector:
    """Feed frames in order; `cuts` are the first frames of new shots."""

    def __init__(self, config: ShotConfig) -> None:
        from scenedetect.detectors import AdaptiveDetector

        self._detector = AdaptiveDetector(
            adaptive_threshold=config.adaptive_threshold,
            min_content_val=config.min_content_change,
            min_scene_len=config.min_shot_frames,
        )
        self.cuts: list[int] = []

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        """Look at one RGB frame (H, W, 3)."""
        small = cv2.resize(image, (96, 72), interpolation=cv2.INTER_LINEAR)
        found = self._detector.process_frame(index, cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        self.cuts += [int(cut) for cut in found]


def shots(frames: list[int], cuts: list[int]) -> Iterator[list[int]]:
    """Split frame indices at cuts and at holes in the numbering."""
    begins = set(cuts)
    shot: list[int] = []
    for index in frames:
        if shot and (index in begins or index != shot[-1] + 1):
            yield shot
            shot = []
        shot.append(index)
    if shot:
        yield shot
