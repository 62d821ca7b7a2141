"""What must be there before a face or a sound can be measured, and measures of one video."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dawn.features.sound.mel import loudness_db
from eval.metrics.interface import Excluded, Reason, Value
from eval.protocol.clips import Clip, Pair

MIN_SHARE = 0.5
"""Share of the frames in which a face must be found."""

SILENT_DB = -60.0
"""Loudness of the loud parts (95 %) under which a clip is silent."""

AUDIBLE_DB = 30.0
"""Sound within so many dB of the loud parts counts as speech."""

PAUSE_FRAMES = 8
"""Shorter pauses (under 320 ms) belong to the speech around them."""

F64 = NDArray[np.float64]
Number = tuple[float, int]
"""A measure of one video, and how many items are behind it."""


def face_fault(clip: Clip) -> Reason | None:
    """Why the face of a clip cannot be measured, if so."""
    share = float(clip.face_found.mean())
    if share == 0:
        return Reason.NO_FACE
    return Reason.FEW_FACES if share < MIN_SHARE else None


def sound_fault(clip: Clip) -> Reason | None:
    """Why the sound of a clip cannot be measured, if so."""
    if not clip.has_sound:
        return Reason.NO_SOUND
    return Reason.SILENT if np.percentile(loudness(clip), 95) < SILENT_DB else None


def loudness(clip: Clip) -> NDArray[np.float32]:
    """Loudness of each frame's sound in dB, (frames,)."""
    return clip.once("loudness", lambda: loudness_db(clip.sound))


def speech(levels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which frames are speech, by loudness in dB (T,): within `AUDIBLE_DB` of the loud parts,
    short pauses included. A stand-in for a voice activity network.
    """
    found = levels >= np.percentile(levels, 95) - AUDIBLE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~found, [False]]).astype(int)))
    for begin, end in edges.reshape(-1, 2):
        if end - begin < PAUSE_FRAMES:
            found[begin:end] = True
    return found


def filled(curve: NDArray[np.float32]) -> F64:
    """A curve (T,) or (T, d) with its gaps (NaN) interpolated and its ends held."""
    rows = curve.astype(np.float64).reshape(len(curve), -1)
    known = np.flatnonzero(np.isfinite(rows).all(axis=1))
    every = np.arange(len(rows))
    columns = [np.interp(every, known, rows[known, k]) for k in range(rows.shape[1])]
    return np.asarray(np.stack(columns, axis=1).reshape(curve.shape), dtype=np.float64)


def of_one(
    measure: Callable[[Clip], Number | Excluded], *, against_real: bool
) -> Callable[[Pair], Value | Excluded]:
    """A measure of one video as one of a pair, with the real clip's as reference.

    `against_real`: the number means nothing without the real clip's, so a pair is left out where
    that has none. Otherwise only the reference is missing.
    """

    def of_pair(pair: Pair) -> Value | Excluded:
        own = measure(pair.generated)
        if isinstance(own, Excluded):
            return own
        real = measure(pair.reference)
        if isinstance(real, Excluded):
            return real if against_real else Value(own[0], None, own[1])
        return Value(own[0], real[0], own[1])

    return of_pair


def begin(clip: Clip) -> int:
    """The first frame that measures of motion look at."""
    return clip.settings.card.skip_first
