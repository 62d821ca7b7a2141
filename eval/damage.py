"""Known damage, to see what a metric notices: pure functions on a clip's pictures and sound.

A metric that does not move under the damage it is for is of no use; one that moves under another
measures something else. docs/metrics.md holds the table that `benchmarks/damage.py` makes.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.landmarks import to_68
from dawn.features.rates import SAMPLES_PER_FRAME

Pictures = NDArray[np.uint8]
"""(T, H, W, 3) RGB."""
Sound = NDArray[np.float32]
"""(T * 640,) mono at 16 kHz."""

Damage = Callable[[Pictures, Sound], tuple[Pictures, Sound]]

_STEADY = [*range(5), *range(12, 17), *range(27, 36), 36, 39, 42, 45]
"""Of the 68 points, sides of the jaw, nose and corners of the eyes: speech moves them little."""
_LOWER_FACE = [*range(6, 11), 31, 35, *range(48, 60)]
"""Chin, nostrils and lips: an open mouth moves the chin too."""


def blur(sigma: float) -> Damage:
    """Gaussian blur of so many pixels."""

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        soft = [cv2.GaussianBlur(picture, (0, 0), sigma) for picture in pictures]
        return np.stack(soft).astype(np.uint8), sound

    return apply


def noise(levels: float) -> Damage:
    """Fresh Gaussian noise of so many grey levels in every frame."""

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        grain = np.random.default_rng(0).normal(0, levels, pictures.shape)
        return np.clip(pictures + grain, 0, 255).astype(np.uint8), sound

    return apply


def flicker(levels: int) -> Damage:
    """Every second frame darker by so many grey levels."""

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        dark = np.arange(len(pictures)) % 2 * levels
        return np.clip(pictures - dark[:, None, None, None], 0, 255).astype(np.uint8), sound

    return apply


def freeze(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
    """The first frame throughout."""
    return np.repeat(pictures[:1], len(pictures), axis=0), sound


def freeze_mouth(landmarks: NDArray[np.float32]) -> Damage:
    """The lower face of the first frame throughout, laid where the head is; all else moves on.

    `landmarks` (T, 478, 3) in pixels are the pictures'; frames without a face (NaN) stay.
    """
    points = to_68(landmarks)[..., :2].astype(np.float64)
    seen = np.isfinite(points).all(axis=(1, 2))

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        still = pictures.copy()
        places = np.flatnonzero(seen)
        for t in places[1:]:
            still[t] = _lay_mouth(pictures[places[0]], points[places[0]], pictures[t], points[t])
        return still, sound

    return apply


def _lay_mouth(
    source: Pictures, from_points: NDArray[np.float64], target: Pictures, to: NDArray[np.float64]
) -> Pictures:
    """`target` with the lower face of `source`, its edge blended."""
    # Affine, not rigid: a head that turns grows narrow to one side.
    known = np.hstack([from_points, np.ones((len(from_points), 1))])
    matrix = np.linalg.lstsq(known[_STEADY], to[_STEADY], rcond=None)[0]
    size = target.shape[1], target.shape[0]
    laid = cv2.warpAffine(source, matrix.T, size, borderMode=cv2.BORDER_REPLICATE)
    moved = known @ matrix
    # Both faces' lower halves, so that no part of the mouth that was there looks out.
    region = np.concatenate([moved[_LOWER_FACE], to[_LOWER_FACE]])
    mask = np.zeros(target.shape[:2], np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(region.round().astype(np.int32)), 1.0)
    soft = 0.03 * float(np.linalg.norm(to[36] - to[45]))
    mask = cv2.GaussianBlur(mask, (0, 0), soft)[..., None]
    return np.asarray(mask * laid + (1 - mask) * target).round().astype(np.uint8)


def stutter(every: int) -> Damage:
    """One frame in so many repeats the one before."""

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        order = np.arange(len(pictures))
        order[every - 1 :: every] -= 1
        return pictures[order], sound

    return apply


def delay_sound(frames: int) -> Damage:
    """The sound comes so many frames later (negative: earlier); silence stands for the rest."""

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        silence = np.zeros(min(abs(frames) * SAMPLES_PER_FRAME, len(sound)), np.float32)
        kept = len(sound) - len(silence)
        if frames >= 0:
            return pictures, np.concatenate([silence, sound[:kept]])
        return pictures, np.concatenate([sound[len(sound) - kept :], silence])

    return apply


def drop_frames(every: int) -> Damage:
    """One frame in so many is missing and the rest moves up; the last one holds to the end."""

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        order = np.delete(np.arange(len(pictures)), slice(every - 1, None, every))
        held = np.pad(order, (0, len(pictures) - len(order)), mode="edge")
        return pictures[held], sound

    return apply


def swap_identity(other: Pictures) -> Damage:
    """Another clip's pictures (T', H, W, 3), of the same size, under this clip's sound: played to
    and fro where they are fewer.
    """

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        swing = np.concatenate([np.arange(len(other)), np.arange(len(other) - 2, 0, -1)])
        return other[np.resize(swing, len(pictures))], sound

    return apply


def remove_blinks(blinks: Sequence[tuple[int, int]], margin: int = 3) -> Damage:
    """In each blink [first frame, frame after the last), and `margin` frames to either side in
    which lids still move, the open eyes before it hold for its first half and those after it for
    its second.
    """

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        order = np.arange(len(pictures))
        for first, last in blinks:
            begin, end = max(first - margin, 0), min(last + margin, len(pictures))
            middle = (begin + end + 1) // 2
            order[begin:middle] = max(begin - 1, 0)
            order[middle:end] = min(end, len(pictures) - 1)
        return pictures[order], sound

    return apply


def mute(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
    """Silence."""
    return pictures, np.zeros_like(sound)


DAMAGES: Mapping[str, Damage] = {
    "blur 1 px": blur(1),
    "blur 2 px": blur(2),
    "blur 4 px": blur(4),
    "noise 12 levels": noise(12),
    "flicker 8 levels": flicker(8),
    "frozen": freeze,
    "every 4th frame repeated": stutter(4),
    "every 5th frame missing": drop_frames(5),
    "sound 5 frames late": delay_sound(5),
    "sound 5 frames early": delay_sound(-5),
    "muted": mute,
}
