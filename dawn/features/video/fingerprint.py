"""Fingerprints that survive re-encoding and mirroring, to find the same footage twice.

Two parts. The *picture* hash (64-bit difference hashes of evenly spaced crops) says that two
clips look alike; many clips of one speaker do. The *motion* signature (mouth opening and head
pitch over the clip, which a mirror leaves alone) says that the same things happen at the same
time. Both together are the same footage.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

HASHES = 5
"""Pictures hashed in a clip."""
MOTION = 64
"""Samples of each motion curve."""


def hash_frames(frames: int) -> list[int]:
    """Which frames of a clip of that many are hashed."""
    return [round((k + 0.5) / HASHES * (frames - 1)) for k in range(HASHES)]


def difference_hash(frame: NDArray[np.uint8]) -> int:
    """64-bit dHash of an RGB picture: is each of 8 x 8 cells darker than its right neighbour?"""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    bits = small[:, 1:] > small[:, :-1]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def motion_signature(mouth: NDArray[np.float32], pitch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Both curves resampled to 64 points, each centred and scaled to unit length, (128,)."""
    return np.concatenate([_curve(mouth), _curve(pitch)])


def similarity(
    hashes_a: NDArray[np.uint64],
    hashes_b: NDArray[np.uint64],
    mirrored_b: NDArray[np.uint64],
    motion_a: NDArray[np.float32],
    motion_b: NDArray[np.float32],
) -> float:
    """How surely two clips of equal length are the same footage, 0 to 1.

    The smaller of the picture's likeness (1 - share of differing bits, the better of plain
    and mirrored) and of the motion's (mean correlation of the two curves).
    """
    picture = max(_likeness(hashes_a, hashes_b), _likeness(hashes_a, mirrored_b))
    motion = float(motion_a @ motion_b) / 2
    return max(0.0, min(picture, motion))


def _likeness(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    different = np.bitwise_xor(a, b).view(np.uint8)
    return 1.0 - float(np.unpackbits(different).sum()) / (64 * len(a))


def _curve(values: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.nan_to_num(values, nan=float(np.nanmean(values)) if np.isfinite(values).any() else 0)
    at = np.linspace(0, len(known) - 1, MOTION)
    curve = np.interp(at, np.arange(len(known)), known)
    curve -= curve.mean()
    return (curve / max(float(np.linalg.norm(curve)), 1e-6)).astype(np.float32)
