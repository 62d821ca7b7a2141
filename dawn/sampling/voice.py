"""The voice: any sound that FFmpeg decodes, as mono 16 kHz samples and features a frame."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.sound.mel import log_mel
from dawn.features.sound.samples import Evened
from dawn.features.video.container import open_media
from dawn.features.video.extent import Extent
from dawn.features.video.sound_track import SoundTrack, sound_track
from manifests.errors import InputError
from manifests.reasons import UnreadableVideoError

AudioKind = Literal["log_mel", "hubert"]

MIN_SECONDS = 0.2
MAX_WILD = 0.1
"""Share of the samples that may be beyond ±1 or no numbers: those are clipped, or silent."""
_PIECE = 500
"""Frames whose features are computed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """The sound of a video."""

    path: Path
    samples: NDArray[np.float32]
    """Mono, 16 kHz, filled up with silence to whole frames of 640."""
    seconds: float
    """Without what was filled up."""

    @property
    def frames(self) -> int:
        """Frames of the video: as many as it takes to last until the sound has ended."""
        return len(self.samples) // SAMPLES_PER_FRAME


def read_voice(path: Path, max_seconds: float | None = None) -> Voice:
    """Decode a file's sound as one channel. Raises InputError.

    Time 0 is the first sample. What lies beyond `max_seconds` is left out.
    """
    limit = math.inf if max_seconds is None else max_seconds
    parts: list[NDArray[np.float32]] = []
    length = 0
    with open_sound(path) as sound:
        for part in sound.blocks(SAMPLE_RATE):
            parts.append(part[0])
            length += len(parts[-1])
            if length >= limit * SAMPLE_RATE:
                break
        else:
            sound.check_whole()
        sound.check_range()
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if limit < math.inf:
        samples = samples[: round(limit * SAMPLE_RATE)]
    seconds = len(samples) / SAMPLE_RATE
    if seconds < MIN_SECONDS:
        raise InputError(
            f"{path}: holds {seconds:.2f} s of sound; at least {MIN_SECONDS} s are needed"
        )
    samples = np.clip(samples, -1, 1)
    missing = -len(samples) % SAMPLES_PER_FRAME
    return Voice(path=path, samples=np.pad(samples, (0, missing)), seconds=seconds)


class Sound:
    """An open file's sound track."""

    def __init__(self, path: Path, container: Any, track: SoundTrack) -> None:  # noqa: ANN401 - PyAV
        self._path, self._container, self._track = path, container, track
        self.rate = track.rate
        self.channels = len(track.channels)
        self._extent = Extent(container, path)
        self._wild = 0.0
        self._bad = self._packets = 0

    def blocks(self, rate: int, channels: int = 1) -> Iterator[NDArray[np.float32]]:
        """All of it as `dawn.features.sound.samples` evens it: (channels, n) in [-1, 1].

        Raises InputError when too many packets are corrupt.
        """
        even = Evened(rate, channels, self._track.channels)
        for frame in self._frames():
            yield from even.blocks(frame)
            self._wild = even.wild
        yield from even.blocks(None)

    def _frames(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux():
                self._extent.add(packet)
                if packet.stream.index == self._track.stream.index:
                    self._packets += 1
                    yield from self._decoded(packet)
        except (av.error.FFmpegError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self._path}: its sound cannot be decoded ({reason})") from error

    def _decoded(self, packet: Any) -> Iterator[Any]:  # noqa: ANN401
        try:
            yield from packet.decode()
        except av.error.InvalidDataError as error:
            self._bad += 1
            if self._bad > 5 and self._bad > 0.1 * self._packets:
                raise InputError(
                    f"{self._path}: is corrupt: {self._bad} of the first {self._packets} "
                    "packets of sound cannot be decoded; convert or record it again"
                ) from error

    def check_whole(self) -> None:
        """After all blocks: raise InputError when the header promises much more than there was,
        or most of it was bad.
        """
        if self._bad and self._bad * 2 >= self._packets:
            raise InputError(f"{self._path}: is corrupt: its sound cannot be decoded")
        if self._extent.cut_off():
            raise InputError(
                f"{self._path}: is cut off: promises {self._extent.promised:.1f} s, holds "
                f"{self._extent.held:.2f} s; copy it again, or convert what there is"
            )

    def check_range(self) -> None:
        """After some blocks: raise InputError when they would only hold noise, clipped."""
        if self._wild > MAX_WILD:
            raise InputError(
                f"{self._path}: {self._wild:.0%} of its samples are beyond ±1 or no numbers; "
                "scale it to ±1, or save it as 16-bit WAV"
            )

    def __enter__(self) -> "Sound":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()


def open_sound(path: Path) -> Sound:
    """Open a file's sound track. Raises InputError where there is none."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give a recording")
    try:
        container = open_media(path)
    except UnreadableVideoError as error:
        raise InputError(f"{path}: is no sound that can be read: {error.detail}") from error
    try:
        track = sound_track(container)
    except UnreadableVideoError:
        track = None
    if track is not None:
        return Sound(path, container, track)
    some = bool(container.streams.audio)
    container.close()
    if some:
        raise InputError(f"{path}: its sound cannot be decoded; convert it to WAV")
    raise InputError(f"{path}: holds no sound; give a recording of a voice")


def voice_features(samples: NDArray[np.float32], kind: AudioKind) -> NDArray[np.float32]:
    """Mono 16 kHz samples (T * 640,) to features (T, 320 or 1024), as `dawn ingest` makes them.

    Raises InputError when HuBERT is asked for and its weights are absent.
    """
    frames = len(samples) // SAMPLES_PER_FRAME
    if kind == "hubert":
        from dawn.curation.networks import hubert_features  # late: transformers is heavy

        return hubert_features(samples)
    rows = []
    for start in range(0, frames, _PIECE):
        stop = min(start + _PIECE, frames)
        # One frame more to each side: an analysis window reaches over a frame's ends.
        before, after = max(0, start - 1), min(frames, stop + 1)
        piece = log_mel(samples[before * SAMPLES_PER_FRAME : after * SAMPLES_PER_FRAME])
        rows.append(piece[start - before : stop - before])
    return np.concatenate(rows)
