"""The voice: any sound that FFmpeg decodes, as mono 16 kHz samples and features a frame."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from dawn.features.mel import log_mel
from dawn.features.sound import SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.video import MAX_SAMPLE_RATE, open_media
from manifests.errors import InputError
from manifests.reasons import UnreadableVideoError

AudioKind = Literal["log_mel", "hubert"]

MIN_SECONDS = 0.2
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
    """Decode a file's first sound, channels averaged. Raises InputError.

    Time 0 is the first sample. What lies beyond `max_seconds` is left out.
    """
    limit = math.inf if max_seconds is None else max_seconds
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    parts: list[NDArray[np.float32]] = []
    length = 0
    with open_sound(path) as sound:
        for frame in sound.frames():
            for part in resampler.resample(frame):
                parts.append(part.to_ndarray()[0].astype(np.float32, copy=False))
                length += len(parts[-1])
            if length >= limit * SAMPLE_RATE:
                break
        else:
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
            sound.check_whole(sum(map(len, parts)) / SAMPLE_RATE)
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if limit < math.inf:
        samples = samples[: round(limit * SAMPLE_RATE)]
    seconds = len(samples) / SAMPLE_RATE
    if seconds < MIN_SECONDS:
        raise InputError(
            f"{path}: holds {seconds:.2f} s of sound; at least {MIN_SECONDS} s are needed"
        )
    samples = np.nan_to_num(np.clip(samples, -1, 1))
    missing = -len(samples) % SAMPLES_PER_FRAME
    return Voice(path=path, samples=np.pad(samples, (0, missing)), seconds=seconds)


class Sound:
    """An open file's first sound stream."""

    def __init__(self, path: Path, container: Any, stream: Any) -> None:  # noqa: ANN401 - PyAV
        self._path, self._container, self.stream = path, container, stream
        self._bad = self._packets = 0

    def frames(self) -> Iterator[Any]:
        """Decoded frames. Raises InputError when too many packets are corrupt."""
        try:
            for packet in self._container.demux(self.stream):
                self._packets += 1
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError as error:
                    self._bad += 1
                    if self._bad > 5 and self._bad > 0.1 * self._packets:
                        raise InputError(
                            f"{self._path}: is corrupt: {self._bad} of the first {self._packets} "
                            "packets of sound cannot be decoded; convert or record it again"
                        ) from error
        except (av.error.FFmpegError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self._path}: its sound cannot be decoded ({reason})") from error

    def check_whole(self, seconds: float) -> None:
        """Raise InputError when the header promises much more than was decoded, or all is bad."""
        promised = (self._container.duration or 0) / av.time_base
        if self._bad and self._bad * 2 >= self._packets:
            raise InputError(f"{self._path}: is corrupt: its sound cannot be decoded")
        audio_only = not self._container.streams.video
        if audio_only and promised - seconds > 1.0 and seconds < 0.9 * promised:
            raise InputError(
                f"{self._path}: is cut off: promises {promised:.1f} s, holds {seconds:.1f} s; "
                "copy it again, or convert what there is"
            )

    def __enter__(self) -> "Sound":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()


def open_sound(path: Path) -> Sound:
    """Open a file's first sound. Raises InputError where there is none."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; give a recording")
    try:
        container = open_media(path)
    except UnreadableVideoError as error:
        raise InputError(f"{path}: is no sound that can be read: {error.detail}") from error
    streams = container.streams.audio
    if not streams:
        container.close()
        raise InputError(f"{path}: holds no sound; give a recording of a voice")
    context = streams[0].codec_context
    if context is None or not 0 < context.sample_rate <= MAX_SAMPLE_RATE:
        container.close()
        raise InputError(f"{path}: its sound cannot be decoded; convert it to WAV")
    return Sound(path, container, streams[0])


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
