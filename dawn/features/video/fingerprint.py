"""Fingerprints that survive re-encoding, mirroring, trimming and a change of speed, to find the
same footage twice.

Two parts, both at a fixed rate, so that parts of clips can be held against each other. *Picture*
hashes (64-bit difference hashes of the face and what is around it) say that two clips look alike;
many clips of one speaker do. *Motion* curves (mouth, head, eyes) say that the same things happen
at the same distances in time. Both together are the same footage.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS

HASH_STEP = 10
"""Frames from one hashed picture to the next."""
MOTION_STEP = 2
"""Frames from one point of the motion curves to the next."""
CHANNELS = 4
"""Motion curves: mouth, pitch, yaw, eyes."""
SPEEDS = (0.95, 0.96, 1.0, 25 / 24, 1.05)
"""How much faster one copy may run: exactly (or so little that a minute shows it less than half a
word), by 5 %, or film at PAL's speed, both ways."""

_AROUND = 1.5
"""Side of what is hashed over the face box's. The whole crop would hold a letterbox's bars."""
_SMOOTHING = np.array([1, 2, 2, 2, 1]) / 8
"""Else copies whose points lie between each other's differ by the landmarks' noise."""
_STEPS_PER_DEGREE = 2
_STEPS_PER_RATIO = 200
_MIDDLE = 128
_YAW = 2
_LEAST_OVERLAP = 2 * FPS // MOTION_STEP
"""Points that clips must share, or all of the shorter one: less is alike by chance too often."""
_STILL = 2.0
"""Variance of all curves together below which nothing moves and nothing can be told."""
_EITHER_SIDE = 4 * FPS // MOTION_STEP
"""Points before and after one whose mean is taken off it."""
_FINE = 8
_AT_ONCE = 128

Curves = NDArray[np.float64]


class Match(NamedTuple):
    """How one clip lies over another."""

    score: float
    """Agreement of the motion, at most 1."""
    speed: float
    """How much faster the other one runs."""
    lag: float
    """Points of the other one before this one's first."""


def hash_frames(frames: int) -> list[int]:
    """Which frames of a clip of that many are hashed."""
    return list(range(0, frames, HASH_STEP))


def difference_hash(picture: NDArray[np.uint8]) -> int:
    """64-bit dHash of an RGB picture: is each of 8 x 8 cells darker than its right neighbour?"""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    bits = small[:, 1:] > small[:, :-1]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def picture_hashes(frame: NDArray[np.uint8], box: NDArray[np.float32]) -> tuple[int, int]:
    """Hash of the square around a face and of its mirror image.

    `frame` is (H, W, 3), `box` is the face's x_min, x_max, y_min, y_max in it.
    """
    x, y = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
    half = max(box[1] - box[0], box[3] - box[2]) / 2 * _AROUND
    left, right = _inside(x - half, x + half, frame.shape[1])
    top, bottom = _inside(y - half, y + half, frame.shape[0])
    square = frame[top:bottom, left:right]
    return difference_hash(square), difference_hash(np.ascontiguousarray(square[:, ::-1]))


def motion_curves(
    mouth: NDArray[np.float32], pose: NDArray[np.float32], eyes: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Mouth (T,), pitch and yaw of the pose (T, 7) and eyes (T, 2) as (ceil(T / 2), 4).

    Ratios in steps of 1/200, angles in steps of half a degree around 128. In these units the
    curves of people who talk vary alike.
    """
    pairs = [
        mouth * _STEPS_PER_RATIO,
        pose[:, 1] * _STEPS_PER_DEGREE + _MIDDLE,
        pose[:, 0] * _STEPS_PER_DEGREE + _MIDDLE,
        eyes.mean(axis=1) * _STEPS_PER_RATIO,
    ]
    curves = np.pad(np.stack(pairs), ((0, 0), (2, 2)), mode="edge")
    smooth = np.stack([np.convolve(curve, _SMOOTHING, "valid") for curve in curves], axis=1)
    return np.clip(np.rint(smooth[::MOTION_STEP]), 0, 255).astype(np.uint8)


def mirrored(curves: Curves) -> Curves:
    """The curves of the same footage seen in a mirror: left is right, all else stays."""
    turned = curves.copy()
    turned[:, _YAW] = 2 * _MIDDLE - turned[:, _YAW]
    return turned


def at_speed(curves: Curves, speed: float, offset: float = 0.0) -> Curves:
    """The curves, (T, 4), of the same footage played that much faster, from `offset` points on."""
    at = np.arange(offset, max(1, len(curves) / speed)) * speed
    known = np.arange(len(curves))
    return np.stack([np.interp(at, known, curves[:, c]) for c in range(curves.shape[1])], axis=1)


def played(curves: Curves) -> list[tuple[float, float, NDArray[np.int16]]]:
    """Speed, offset and movement of the curves as a copy may have them."""
    return [
        (speed, offset, movement(at_speed(curves, speed, offset)))
        for speed in SPEEDS
        for offset in (0.0, 0.5)  # copies may begin between each other's points
    ]


def movement(curves: Curves) -> NDArray[np.int16]:
    """What moves: curves (T, 4) less their mean of four seconds either side, in 1/8 units.

    Whole numbers, so that sums of products are exact, in whatever order they are made.
    """
    sums = np.zeros((len(curves) + 1, curves.shape[1]))
    np.cumsum(curves, axis=0, out=sums[1:])
    first, last = _either_side(len(curves))
    means = (sums[last] - sums[first]) / (last - first)[:, None]
    return np.rint((curves - means) * _FINE).astype(np.int16)


@lru_cache(maxsize=256)
def _either_side(points: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first point of which each one's mean is taken, and the one after the last."""
    at = np.arange(points)
    return np.maximum(at - _EITHER_SIDE, 0), np.minimum(at + _EITHER_SIDE + 1, points)


def best_matches(curves: Curves, others: Sequence[NDArray[np.int16]]) -> list[Match]:
    """Where the movement of each of the others lies best over these curves', at any lag and speed.

    Two clips lie over each other by half of the shorter one or more, and by two seconds. Movement
    agrees as far as twice the sum of its products is the sum of its squares (Lin's concordance,
    means aside), so that large movement is never like small movement.
    """
    if not others:
        return []
    longest = len(curves) / min(SPEEDS) + 1
    groups = defaultdict(list)
    for i, other in enumerate(others):
        groups[1 << int(longest + len(other)).bit_length()].append(i)
    best = [Match(-1.0, 1.0, 0.0)] * len(others)
    versions = played(curves)
    for size, group in groups.items():
        for begin in range(0, len(group), _AT_ONCE):
            some = group[begin : begin + _AT_ONCE]
            stack = np.zeros((len(some), CHANNELS, size))
            for row, i in zip(stack, some, strict=True):
                row[:, : len(others[i])] = others[i].T
            lengths = np.array([len(others[i]) for i in some])
            spectra, energy = np.fft.rfft(stack), _sums((stack**2).sum(axis=1))
            for speed, offset, ours in versions:
                scores, lags = _agreement(ours, spectra, energy, lengths)
                for i, score, lag in zip(some, scores.tolist(), lags.tolist(), strict=True):
                    best[i] = max(best[i], Match(score, speed, lag - offset))
    return best


def picture_likeness(hashes: NDArray[np.uint64], other: NDArray[np.uint64], match: Match) -> float:
    """Mean share of equal bits of pictures at the same time, as the match has it; 0 without any."""
    at = np.arange(len(hashes)) * HASH_STEP / match.speed + match.lag * MOTION_STEP
    nearest = np.rint(at / HASH_STEP).astype(int)
    both = (nearest >= 0) & (nearest < len(other))
    if not both.any():
        return 0.0
    return 1.0 - float(_bits(hashes[both] ^ other[nearest[both]]).mean()) / 64


def nearest_picture(hashes: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """Share of equal bits of the two pictures, one of each clip, that are most alike."""
    return 1.0 - float(_bits(hashes[:, None] ^ other[None]).min()) / 64


def _bits(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Bits that are set in each."""
    flat = np.unpackbits(np.ascontiguousarray(values)[..., None].view(np.uint8), axis=-1)
    return flat.sum(axis=-1, dtype=np.int64)


def _inside(low: float, high: float, size: int) -> tuple[int, int]:
    """Whole pixels from low to high that the picture has, at least one."""
    first = min(max(round(low), 0), size - 1)
    return first, max(first + 1, min(round(high), size))


def _agreement(
    ours: NDArray[np.int16],
    spectra: NDArray[np.complex128],
    energy: NDArray[np.float64],
    lengths: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The best concordance with each of N others, and its lag; all lags at once, by Fourier.

    `spectra` (N, 4, size / 2 + 1) and running sums of squares `energy` (N, size + 1) are of the
    others' movement, `lengths` (N,) their points.
    """
    n, size = len(ours), energy.shape[1] - 1
    mine = np.conj(np.fft.rfft(ours.T.astype(float), size))
    products = np.rint(np.fft.irfft((spectra * mine).sum(axis=1), size))
    shorter = np.minimum(n, lengths)[:, None]
    least = np.minimum(shorter, np.maximum(_LEAST_OVERLAP, (shorter + 1) // 2))
    lags = np.arange(int(least.min()) - n, int((lengths[:, None] - least).max()) + 1)
    # Points begin..end of ours lie over begin + lag..end + lag of the other.
    begin = np.broadcast_to(np.maximum(0, -lags), (len(lengths), len(lags)))
    end = np.maximum(np.minimum(n, lengths[:, None] - lags), begin)
    my_energy, rows = _sums((ours.astype(float) ** 2).sum(axis=1)), np.arange(len(lengths))[:, None]
    spread = my_energy[end] - my_energy[begin]
    spread += energy[rows, np.minimum(end + lags, size)] - energy[rows, begin + lags]
    spread = np.maximum(spread, 2 * _STILL * _FINE**2 * (end - begin))
    score = 2 * products[:, lags] / np.maximum(spread, 1)
    score[end - begin < least] = -1.0
    best = score.argmax(axis=1)
    return score[rows[:, 0], best], lags[best]


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running sums along the last axis, beginning with 0."""
    return np.cumsum(np.pad(values, [(0, 0)] * (values.ndim - 1) + [(1, 0)]), axis=-1)
