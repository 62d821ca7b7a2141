"""Decoded sound of any make as float samples: one rule for networks, metrics and videos."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dawn.features.sound.mix import mix_down

Samples = NDArray[np.float32]

_LAYOUTS = {1: "mono", 2: "stereo"}


class Evened:
    """Turns decoded frames into float32 blocks (channels, n) in [-1, 1] at one rate.

    Sound of as many channels as are wanted is left as it is; of any other sound each channel is
    all of it, mixed down (`dawn.features.sound.mix`). Samples that are no numbers become 0. Rate,
    format and channels may change from frame to frame: nothing is lost where they do.
    """

    def __init__(self, rate: int, channels: int = 1, names: Sequence[str] = ()) -> None:
        """`names` are those of the source's channels, for frames that do not say them."""
        self._rate, self._channels, self._told = rate, channels, tuple(names)
        self._setup: tuple[object, ...] = ()
        self._names: tuple[str, ...] = ()
        self._pack: Any = None
        self._resample: Any = None
        self._heard = self._wild = 0

    @property
    def wild(self) -> float:
        """Share of the samples, silence left out, that were no numbers or beyond ±1."""
        return self._wild / max(1, self._heard)

    def blocks(self, frame: Any) -> Iterator[Samples]:  # noqa: ANN401 - PyAV is untyped
        """The blocks of a frame, and what was held back before; of None only the latter."""
        if self._setup != (setup := _setup(frame)):
            yield from self._rest()
            self._setup = setup
            # Packed: PyAV reads beyond the planes of planar sound with eight channels.
            self._pack = av.AudioResampler(format="flt")
            self._resample = None
            self._names = _names(frame, self._told)
        if frame is None:
            return
        for part in self._pack.resample(frame):
            yield from self._at_rate(self._tamed(part), part.sample_rate)

    def _tamed(self, part: Any) -> Samples:  # noqa: ANN401
        """Packed float sound as (channels, n)."""
        rows = np.ascontiguousarray(part.to_ndarray().reshape(part.samples, -1).T)
        self._heard += int(np.count_nonzero(rows))
        if not (rows.min() >= -1 and rows.max() <= 1):  # also where one is no number
            self._wild += rows.size - int((np.abs(rows) <= 1).sum())
            rows = np.clip(np.nan_to_num(rows, posinf=1.0, neginf=-1.0), -1, 1)
        if len(rows) == self._channels:
            return rows
        return np.repeat(mix_down(rows, self._names)[np.newaxis], self._channels, axis=0)

    def _at_rate(self, rows: Samples, rate: int) -> Iterator[Samples]:
        if rate == self._rate:
            yield rows
            return
        layout = _LAYOUTS[self._channels]
        if self._resample is None:
            self._resample = av.AudioResampler(format="fltp", layout=layout, rate=self._rate)
        frame = av.AudioFrame.from_ndarray(rows, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        for part in self._resample.resample(frame):
            yield part.to_ndarray()

    def _rest(self) -> Iterator[Samples]:
        """What the resampler holds back until it knows what follows."""
        for part in self._resample.resample(None) if self._resample else ():
            yield part.to_ndarray()


def _setup(frame: Any) -> tuple[object, ...]:  # noqa: ANN401
    if frame is None:
        return ()
    layout = frame.layout
    return frame.format.name, layout.name, layout.nb_channels, frame.sample_rate


def _names(frame: Any, told: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ANN401
    """What a frame's channels are called: by itself, else by its file."""
    own = tuple(channel.name for channel in frame.layout.channels) if frame is not None else ()
    return told if len(told) == len(own) and "NONE" in own else own
