"""Blinks from eye openness: the one place for when an eye counts as closed."""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

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
    _, dips = scipy.signal.find_peaks(
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
    local = scipy.ndimage.percentile_filter(
        openness, 90, size=min(window, len(openness)), mode="nearest"
    )
    return np.maximum(local, max(0.5 * float(np.percentile(openness, 90)), 1e-3))


def closed_frames(openness: NDArray[np.float32]) -> NDArray[np.int64]:
    """Numbers of the frames in which the eyes (T, 2) are closed as in a blink, whatever its shape:
    training looks for pictures of closed eyes.
    """
    mean = openness.mean(axis=1)
    return np.flatnonzero(mean < BlinkConfig().close_below * np.percentile(mean, 90))
