"""Eye openness, blinks and mouth opening from face landmarks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter
from scipy.signal import find_peaks

from dawn.features.faces.landmarks import to_68
from dawn.features.rates import FPS


@dataclass(frozen=True, slots=True, kw_only=True)
class BlinkConfig:
    """When a dip of the eye ratio is a blink.

    Everything is relative to the open eye of the moment, because faces, lenses and landmark
    models differ. A long closure is a closed eye, not a blink.
    """

    close_below: float = 0.65
    """Share of the open eye's ratio that a blink must fall below, and come from above."""
    min_depth: float = 0.25
    """How far it must fall from both sides, as a share of the open eye's ratio."""
    window_seconds: float = 4.0
    """The open eye is the 90th percentile of the ratio over this window."""
    min_frames: float = 1.0
    max_frames: float = 12.0
    """Width at half depth, in frames of 1/25 s: blinks take 0.1 to 0.5 s."""


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
    openness = ratios.mean(axis=1).astype(np.float64)
    known = np.isfinite(openness)
    if known.sum() < 3:
        return []
    openness = np.interp(np.arange(len(openness)), np.flatnonzero(known), openness[known])
    relative = openness / _open_level(openness, round(config.window_seconds * FPS))
    _, dips = find_peaks(
        -relative,
        height=-config.close_below,
        prominence=config.min_depth,
        width=(config.min_frames, config.max_frames),
        rel_height=0.5,
    )
    shoulders = dips["prominences"] - dips["peak_heights"]
    begins, ends = np.floor(dips["left_ips"]), np.ceil(dips["right_ips"]) + 1
    return [
        (int(a), int(b))
        for a, b, shoulder in zip(begins, ends, shoulders, strict=True)
        if shoulder >= config.close_below
    ]


def _open_level(openness: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The open eye's ratio around each frame.

    Never under half of the whole clip's, so that flutter of a shut eye does not count as blinks.
    """
    local = percentile_filter(openness, 90, size=min(window, len(openness)), mode="nearest")
    return np.maximum(local, max(0.5 * float(np.percentile(openness, 90)), 1e-3))


def _distance(points: NDArray[np.float32], a: int, b: int) -> NDArray[np.float32]:
    return np.linalg.norm(points[:, a] - points[:, b], axis=-1)
