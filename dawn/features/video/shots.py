"""Shot cuts: where the picture changes at once.

The rule is PySceneDetect's AdaptiveDetector, of which a test holds ours against; written out here
because importing that package runs `ffmpeg`, which stops a worker that has a terminal.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS = 2
"""Frames before and after one whose change its own is held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotConfig:
    """A cut: a frame's change is high in itself, and against its neighbours' mean change."""

    adaptive_threshold: float = 3.0
    """How often the neighbours' mean change a cut's change must be at least."""
    min_content_change: float = 12.0
    """Mean change in hue, saturation and brightness (0-255) below which nothing is a cut."""
    min_shot_frames: int = 5


class ShotDetector:
    """Feed frames in order; `cuts` are the first frames of new shots."""

    def __init__(self, config: ShotConfig) -> None:
        self._config = config
        self._picture: NDArray[np.int16] | None = None
        self._changes: deque[tuple[int, float]] = deque(maxlen=2 * _NEIGHBOURS + 1)
        self._last_cut: int | None = None
        self.cuts: list[int] = []

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        """Look at one RGB frame (H, W, 3)."""
        small = cv2.resize(image, (96, 72), interpolation=cv2.INTER_LINEAR)
        picture = cv2.cvtColor(small, cv2.COLOR_RGB2HSV).astype(np.int16)
        change = 0.0 if self._picture is None else float(np.abs(picture - self._picture).mean())
        self._picture = picture
        if self._last_cut is None:
            self._last_cut = index
        self._changes.append((index, change))
        if len(self._changes) == self._changes.maxlen and index - self._last_cut >= (
            self._config.min_shot_frames
        ):
            self._judge()

    def _judge(self) -> None:
        """Is the frame in the middle of the window a cut?"""
        index, change = self._changes[_NEIGHBOURS]
        around = (sum(other for _, other in self._changes) - change) / (2 * _NEIGHBOURS)
        config = self._config
        if change >= max(config.min_content_change, config.adaptive_threshold * around):
            self._last_cut = index
            self.cuts.append(index)


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
