"""Shots: where the picture changes at once, or one picture turns into another.

The rule for cuts is PySceneDetect's AdaptiveDetector, which a test holds ours against; written out
here because importing that package runs `ffmpeg`, which stops a worker that has a terminal. Two
things are added: hue and saturation count only where there is light to have a colour, and a picture
that the camera's own movement explains is no cut.

A dissolve or a fade is told by what it is: in the middle of it the picture is a mixture of those
before and after, which nothing that moves is.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS = 2
"""Frames before and after one whose change its own is held against."""

_TRANSITIONS = (6, 12, 24)
"""Frames over which a transition is looked for; a part of a longer one is one too."""

_DARK = 32
"""Brightness (0-255) below which hue and saturation are noise."""

_LIT = 0.01
"""Share of a picture that is not black."""

_SURE = 0.3
"""Phase correlation's response from which two pictures are the same scene, moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotConfig:
    """A cut: a frame's change is high in itself, and against its neighbours' mean change."""

    adaptive_threshold: float = 3.0
    """How often the neighbours' mean change a cut's change must be at least."""
    min_content_change: float = 12.0
    """Mean change in hue, saturation and brightness (0-255) below which nothing is a cut."""
    min_shot_frames: int = 5
    max_blend_error: float | None = 0.33
    """A transition: over a quarter of a second to one, the pictures between are mixtures of the
    first and the last up to this share of their difference; null looks for none. Real scenes
    measured 0.36 and more, dissolves and fades 0.04 to 0.31."""
    min_blend_change: float = 20.0
    """Mean change in RGB (0-255) from a transition's first to its last picture."""
    black: float = 24.0
    """Brightness (0-255) that 1 % of a picture must exceed for it not to be black."""


class ShotDetector:
    """Feed frames in order; `cuts` are the first frames of new shots, `unclear` the frames of
    transitions and black ones, which belong to no shot.
    """

    def __init__(self, config: ShotConfig) -> None:
        self._config = config
        self._picture: NDArray[np.uint8] | None = None
        self._changes: deque[tuple[int, float]] = deque(maxlen=2 * _NEIGHBOURS + 1)
        self._recent: deque[tuple[int, NDArray[np.uint8]]] = deque(maxlen=max(_TRANSITIONS) + 1)
        self._last_cut: int | None = None
        self.cuts: list[int] = []
        self.unclear: set[int] = set()

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        """Look at one RGB frame (H, W, 3)."""
        small = cv2.resize(image, (96, 72), interpolation=cv2.INTER_LINEAR)
        hue, saturation, value = cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2HSV))
        light = cv2.compare(value, _DARK, cv2.CMP_GE)
        picture: NDArray[np.uint8] = cv2.merge([hue & light, saturation & light, value])
        change = 0.0 if self._picture is None else _mean_change(picture, self._picture)
        if self._picture is not None and change >= self._config.min_content_change:
            change = min(change, _unexplained(self._picture, picture))
        self._picture = picture
        if self._last_cut is None:
            self._last_cut = index
        self._changes.append((index, change))
        if len(self._changes) == self._changes.maxlen and index - self._last_cut >= (
            self._config.min_shot_frames
        ):
            self._judge()
        if np.count_nonzero(value >= self._config.black) < _LIT * value.size:
            self.unclear.add(index)
        self._blend(index, small)

    def _judge(self) -> None:
        """Is the frame in the middle of the window a cut?"""
        index, change = self._changes[_NEIGHBOURS]
        around = (sum(other for _, other in self._changes) - change) / (2 * _NEIGHBOURS)
        config = self._config
        if change >= max(config.min_content_change, config.adaptive_threshold * around):
            self._last_cut = index
            self.cuts.append(index)

    def _blend(self, index: int, small: NDArray[np.uint8]) -> None:
        """Is the frame the last of a transition?"""
        config = self._config
        if config.max_blend_error is None:
            return
        self._recent.append((index, small))
        for length in _TRANSITIONS:
            if len(self._recent) <= length:
                continue
            if _mean_change(small, self._recent[-length - 1][1]) < config.min_blend_change:
                continue
            window = list(self._recent)[-length - 1 :]
            if blend_error([picture for _, picture in window]) <= config.max_blend_error:
                self.unclear.update(i for i, _ in window)


def _mean_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(cv2.norm(a, b, cv2.NORM_L1)) / a.size


def blend_error(window: Sequence[NDArray[np.uint8]]) -> float:
    """How far the pictures between the first and the last are from mixtures of the two: the largest
    remainder at a quarter, a half and three quarters, over the difference of the two; infinite
    where the mixture does not go steadily from one to the other.
    """
    last = len(window) - 1
    first, *middle, end = (
        window[round(part * last)].astype(np.float32) for part in (0, 0.25, 0.5, 0.75, 1)
    )
    whole = end - first
    energy = float((whole * whole).sum()) + 1e-6
    shares, errors = [0.1], []
    for picture in middle:
        change = picture - first
        share = float((change * whole).sum()) / energy
        shares.append(share)
        errors.append(float(np.sqrt(((change - share * whole) ** 2).sum() / energy)))
    steady = all(a < b for a, b in pairwise([*shares, 0.9]))
    return max(errors) if steady else math.inf


def _unexplained(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Mean change that remains when the earlier picture is moved as the camera may have."""
    values = [np.ascontiguousarray(p[..., 2], np.float32) for p in (before, after)]
    shift, sure = cv2.phaseCorrelate(values[0], values[1], _hann())
    x, y = round(shift[0]), round(shift[1])
    if sure < _SURE or (x, y) == (0, 0) or abs(x) > 48 or abs(y) > 36:
        return math.inf
    here = after[max(0, y) : 72 + min(0, y), max(0, x) : 96 + min(0, x)]
    there = before[max(0, -y) : 72 + min(0, -y), max(0, -x) : 96 + min(0, -x)]
    return float(cv2.absdiff(here, there).mean())


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float32]:
    window: NDArray[np.float32] = cv2.createHanningWindow((96, 72), cv2.CV_32F)
    return window


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
