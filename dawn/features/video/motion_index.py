"""Which of many clips may show the same movement, found without holding each against it.

Two seconds of the motion curves become 16 signs: of the first four waves (discrete cosine
transform, without the mean) of each of the four curves. The same movement has the same signs at
the same distances in time, so each stretch that two clips share votes for the clip and for how far
apart they lie. Votes of unlike clips scatter. Wang's Shazam (ISMIR 2003) does so with sound.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS
from dawn.features.video.fingerprint import CHANNELS, MOTION_STEP, Curves, played
from dawn.features.video.postings import PLACE_BITS, Postings

_WINDOW = 2 * FPS // MOTION_STEP
_WAVES = 4
_STEP = 2
"""Points from one kept stretch to the next; stretches are asked about at every point."""
_UNSURE = 4
"""Signs, those of the smallest waves, that are tried both ways."""
_POWERS = 1 << np.arange(CHANNELS * _WAVES)


class MotionIndex:
    """Clips by what moves in them when, numbered in the order in which they are added."""

    def __init__(self) -> None:
        self._stretches, self._clips = Postings(1 << CHANNELS * _WAVES), 0

    def add(self, movement: NDArray[np.int16]) -> None:
        """Know the movement (T, 4) of the next clip."""
        signs, _ = _signs(movement)
        self._stretches.add(signs[::_STEP], np.arange(0, len(signs), _STEP))
        self._clips += 1

    def likeliest(self, curves: Curves, most: int) -> list[int]:
        """Up to that many clips whose stretches agree with these curves' at one distance, those
        with the most votes first.
        """
        votes = np.zeros(self._clips, np.int64)
        for _, _, movement in played(curves):
            tries = _tries(*_signs(movement))
            places = np.repeat(np.arange(len(tries)), tries.shape[1])
            for which, entries in self._stretches.find(tries.ravel()):
                numbers, counts = _most_votes(entries - places[which])
                votes[numbers] = np.maximum(votes[numbers], counts)
        voted = np.flatnonzero(votes)
        best: list[int] = voted[np.argsort(-votes[voted], kind="stable")][:most].tolist()
        return best


def _most_votes(distances: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Clips, and the most votes that each has for one distance."""
    where, counts = np.unique(distances + (1 << PLACE_BITS - 1), return_counts=True)
    numbers = where >> PLACE_BITS
    first = np.flatnonzero(np.diff(numbers, prepend=-1))
    return numbers[first], np.maximum.reduceat(counts, first) if len(first) else counts


def _signs(movement: NDArray[np.int16]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each stretch of movement (T, 4) the signs as a number, and the waves (stretches, 16)."""
    if len(movement) < _WINDOW:
        movement = np.pad(movement, ((0, _WINDOW - len(movement)), (0, 0)), mode="edge")
    windows = movement.astype(float).T[:, _windows(len(movement))]
    waves = (windows @ _cosines()).transpose(1, 0, 2).reshape(windows.shape[1], -1)
    return (waves > 0) @ _POWERS, waves


def _tries(signs: NDArray[np.int64], waves: NDArray[np.float64]) -> NDArray[np.int64]:
    """The signs of each stretch, and with those of its smallest waves the other way round:
    (stretches, 2 ** _UNSURE).
    """
    unsure = _POWERS[np.argsort(np.abs(waves), axis=1)[:, :_UNSURE]]
    ways = np.arange(1 << _UNSURE)[:, None] >> np.arange(_UNSURE) & 1
    return signs[:, None] ^ unsure @ ways.T


@lru_cache(maxsize=16)
def _windows(points: int) -> NDArray[np.int64]:
    """The points of each stretch of so many: (stretches, window)."""
    return np.arange(points - _WINDOW + 1)[:, None] + np.arange(_WINDOW)


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float64]:
    """The first waves (window, 4) of the discrete cosine transform."""
    at = (np.arange(_WINDOW)[:, None] + 0.5) / _WINDOW
    waves: NDArray[np.float64] = np.cos(np.pi * at * np.arange(1, _WAVES + 1))
    return waves
