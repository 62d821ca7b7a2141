"""Known damage, to see what a metric notices: pure functions on a clip's pictures and sound.

A metric that does not move under the damage it is for is of no use; one that moves under another
measures something else. docs/metrics.md holds the table that `benchmarks/damage.py` makes.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.sound import SAMPLES_PER_FRAME

Pictures = NDArray[np.uint8]
"""(T, H, W, 3) RGB."""
Sound = NDArray[np.float32]
"""(T * 640,) mono at 16 kHz."""

Damage = Callable[[Pictures, Sound], tuple[Pictures, Sound]]


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
