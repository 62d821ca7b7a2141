"""Known damage, to see what a metric notices: pure functions on a clip's pictures and sound.

A metric that does not move under the damage it is for is of no use; one that moves under another
measures something else. docs/metrics.md holds the table that `benchmarks/damage.py` makes.
"""

from collections.abc import Callable, Mapping

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
    """The sound comes so many frames later; silence stands before it."""

    def apply(pictures: Pictures, sound: Sound) -> tuple[Pictures, Sound]:
        silence = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
        return pictures, np.concatenate([silence, sound])[: len(sound)]

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
    "sound 5 frames late": delay_sound(5),
    "muted": mute,
}
