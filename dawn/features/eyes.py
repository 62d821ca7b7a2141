"""Eye openness, blinks and mouth opening from face landmarks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn.features.landmarks import to_68
from dawn.features.video import FPS


@dataclass(frozen=True, slots=True, kw_only=True)
class BlinkConfig:
    """When a dip of the eye ratio is a blink.

    The threshold follows the clip's own open eye (faces, lenses and landmark models differ),
    with hysteresis; a closure longer than `max_seconds` is a closed eye, not a blink.
    """

    close_below: float = 0.7
    """Share of the open-eye ratio (90th percentile around the frame) at which a blink begins."""
    open_above: float = 0.82
    window_seconds: float = 4.0
    min_frames: int = 2
    max_seconds: float = 0.6
    merge_gap_frames: int = 2


def eye_ratios(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Openness of the left and right eye, (T, 478, 3) to (T, 2).

    Height over width as the official code has it, in 68-point indices: left |43-47| / |45-42|,
    right |37-41| / |39-36|; distances in 3-D, so that a turned head keeps its ratio.
    """
    points = to_68(landmarks)
    left = _distance(points, 43, 47) / _distance(points, 45, 42)
    right = _distance(points, 37, 41) / _distance(points, 39, 36)
    return np.stack([left, right], axis=1)


def mouth_opening(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gap between the inner lips over the distance of the outer eye corners, (T,)."""
    points = to_68(landmarks)
    return _distance(points, 62, 66) / _distance(points, 36, 45)


def find_blinks(
    ratios: NDArray[np.float32],
    config: BlinkConfig = BlinkConfig(),
) -> list[tuple[int, int]]:
    """Blinks as [first frame, frame after the last) from (T, 2) eye ratios."""
    openness = ratios.mean(axis=1)
    if not np.isfinite(openness).any():
        return []
    relative = openness / _open_level(openness, round(config.window_seconds * FPS))
    spans: list[tuple[int, int]] = []
    begin: int | None = None
    for t, value in enumerate(relative):
        if begin is None and value < config.close_below:
            begin = t
            while begin > 0 and relative[begin - 1] < config.open_above:
                begin -= 1
        elif begin is not None and not value < config.open_above:
            spans = _append(spans, (begin, t), config.merge_gap_frames)
            begin = None
    if begin is not None:
        spans = _append(spans, (begin, len(relative)), config.merge_gap_frames)
    longest = round(config.max_seconds * FPS)
    return [(a, b) for a, b in spans if config.min_frames <= b - a <= longest]


def _open_level(openness: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """The open eye's ratio around each frame: the 90th percentile over a sliding window."""
    half = window // 2
    level = np.empty_like(openness)
    for t in range(len(openness)):
        level[t] = np.nanpercentile(openness[max(0, t - half) : t + half + 1], 90)
    return level


def _append(spans: list[tuple[int, int]], span: tuple[int, int], gap: int) -> list[tuple[int, int]]:
    """Add a span, joined to the last one when the gap between them is small."""
    if spans and span[0] - spans[-1][1] <= gap:
        return [*spans[:-1], (spans[-1][0], span[1])]
    return [*spans, span]


def _distance(points: NDArray[np.float32], a: int, b: int) -> NDArray[np.float32]:
    distance: NDArray[np.float32] = np.linalg.norm(points[:, a] - points[:, b], axis=-1)
    return distance
