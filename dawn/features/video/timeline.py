"""The clock of a file: stretches in which its times run on, and where each lies on ours.

A recording that was restarted or joined without new timestamps (MPEG-TS above all) counts from
its start again. Picture and sound are then cut at the same place: each stretch of the pictures
goes with the same stretch of the sound, and our own time runs on.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS
from manifests.reasons import Quarantine, UnreadableVideoError

RESTART_S = 0.3
"""Times that go back by more begin a new stretch; less is a muxer's disorder."""


_SETTLED_S = 2.0
_ENTRIES_APART_S = 5.0


class Stretch(NamedTuple):
    """A run of the container's clock without a restart."""

    raw: float
    """The container's time at its first frame, in seconds."""
    at: float
    """Our time of it: 0 for the first stretch."""


class Entry(NamedTuple):
    """A place in a file from which it can be decoded."""

    at: float = 0.0
    """Our time of it, at most; 0 is the file's beginning."""
    byte: int | None = None
    """Where it lies, in files whose times do not tell: those whose clock starts again."""
    stretch: int = 0


class Clock:
    """Turns one stream's times, in the order in which it shows them, into ours; `stretch` is that
    of the first.
    """

    def __init__(self, stretches: Sequence[Stretch], stretch: int = 0) -> None:
        self._stretches = stretches
        self._last = -math.inf
        self.stretch = stretch
        """Number of the stretch of the last time."""

    def __call__(self, raw: float) -> float:
        """Our time of a time of the container, both in seconds."""
        if raw < self._last - RESTART_S:
            self.stretch = min(self.stretch + 1, len(self._stretches) - 1)
        self._last = raw
        return self.peek(raw)

    def peek(self, raw: float) -> float:
        """The same in the stretch of the last time, without going on."""
        here = self._stretches[self.stretch]
        return here.at + raw - here.raw

    @property
    def limits(self) -> tuple[float, float]:
        """Our times between which what belongs to the present stretch lies."""
        following = self._stretches[self.stretch + 1 :]
        begin = self._stretches[self.stretch].at if self.stretch else -math.inf
        return begin, following[0].at if following else math.inf


class StreamTimes:
    """Collects the times of one stream's packets, in the order of the file."""

    def __init__(self) -> None:
        self._runs: list[list[tuple[float, float]]] = [[]]
        self._keys: list[tuple[int, float, int]] = []
        self.in_order = True
        """Whether presentation times never go back, which those of frames that are stored out of
        order must: then they are no presentation times.
        """

    def add(self, decoded: float, shown: float, key: int | None = None) -> None:
        """One packet: when it is decoded and shown, and where it lies if it is a key frame."""
        if self._runs[-1]:
            last_decoded, last_shown = self._runs[-1][-1]
            if decoded < last_decoded - RESTART_S:
                self._runs.append([])
            elif shown < last_shown:
                self.in_order = False
        self._runs[-1].append((decoded, shown))
        if key is not None:
            self._keys.append((len(self._runs) - 1, shown, key))

    @property
    def count(self) -> int:
        """Packets so far."""
        return sum(len(run) for run in self._runs)

    def runs(self, *, by_decoding: bool = False) -> list[NDArray[np.float64]]:
        """The sorted times at which each run's frames are shown; `by_decoding` takes only the delay
        from decoding to showing from the first packet, the rest from when packets are decoded.
        """
        if not by_decoding:
            return [np.unique([shown for _, shown in run]) for run in self._runs if run]
        lead = self._runs[0][0][1] - self._runs[0][0][0]
        return [np.unique([decoded + lead for decoded, _ in run]) for run in self._runs if run]

    def entries(self, stretches: Sequence[Stretch]) -> tuple[Entry, ...]:
        """Key frames to begin at, some seconds apart and away from where a stretch begins: there,
        packets of the one before still follow.
        """
        found = [Entry()]
        for number, shown, byte in self._keys:
            stretch = stretches[number]
            at = stretch.at + shown - stretch.raw
            if shown - stretch.raw >= _SETTLED_S and at - found[-1].at >= _ENTRIES_APART_S:
                found.append(Entry(at, byte, number))
        return tuple(found)


def stretches_of(
    runs: list[NDArray[np.float64]], sounds: list[NDArray[np.float64]], step: float
) -> tuple[Stretch, ...]:
    """The stretches of a file from the times of its pictures, which last `step` seconds each, and
    of its sound.

    A later stretch begins on a whole frame of 25 fps and leaves one out, so that no clip crosses
    the restart. Raises UnreadableVideoError where the sound restarts more or less often than the
    pictures: which sound goes with which picture is then unknown.
    """
    ends_with_first = sounds and sounds[0][-1] <= runs[0][-1] + RESTART_S and len(sounds) == 1
    if sounds and len(sounds) != len(runs) and not ends_with_first:
        detail = (
            f"the pictures' clock starts again {len(runs) - 1} times, the sound's "
            f"{len(sounds) - 1}: what belongs together is unknown"
        )
        raise UnreadableVideoError(Quarantine.NO_TIMESTAMPS, detail)
    found: list[Stretch] = []
    at = 0.0
    for run in runs:
        found.append(Stretch(float(run[0]), at))
        at = (math.ceil((at + run[-1] - run[0] + step) * FPS - 1e-6) + 1) / FPS
    return tuple(found)
