"""Reading sound: any span of a file as mono 16 kHz samples on the video's clock."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import scipy
from numpy.typing import NDArray

from dawn.features.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.sound.samples import Evened
from dawn.features.video.container import open_media, packets
from dawn.features.video.probe import VideoInfo
from dawn.features.video.seek import entries_before, seek
from dawn.features.video.sound_track import sound_track
from dawn.features.video.timeline import Clock
from manifests.reasons import Quarantine, UnreadableVideoError

_JITTER_S = 0.005
"""Timestamps rounded to milliseconds are no gap; an encoder's priming (20 ms) is one."""

_MARGIN_S = 1


def read_sound(path: Path, info: VideoInfo, start: int, stop: int) -> NDArray[np.float32]:
    """Samples of the 25-fps frames [start, stop): float32 in [-1, 1], 640 a frame, mono.

    Channels are mixed as `dawn.features.sound.mix` says. Silence stands where there is no sound,
    so the length is always exactly (stop - start) * 640. Time 0 is the first video frame's.
    """
    length = (stop - start) * SAMPLES_PER_FRAME
    rate = info.sample_rate
    if rate is None:
        return np.zeros(length, np.float32)
    # Whole seconds and a margin put the resampler's grid and edges in the same place for
    # every span, so that spans of one file join without a seam.
    first_s = max(0, int(np.floor(start / FPS)) - _MARGIN_S)
    last_s = int(np.ceil(stop / FPS)) + _MARGIN_S
    native = _native(path, info, rate, first_s, last_s)
    ratio = Fraction(SAMPLE_RATE, rate)
    mono = native
    if ratio != 1:
        up, down = ratio.numerator, ratio.denominator
        mono = scipy.signal.resample_poly(native, up, down).astype(np.float32)
    begin = start * SAMPLES_PER_FRAME - first_s * SAMPLE_RATE
    return np.clip(mono[begin : begin + length], -1, 1)


def _native(
    path: Path, info: VideoInfo, rate: int, first_s: int, last_s: int
) -> NDArray[np.float32]:
    """Mono samples of [first_s, last_s) at the file's own rate, placed by timestamps."""
    samples = np.zeros((last_s - first_s) * rate, np.float32)
    with open_media(path) as container:
        track = sound_track(container)
        if track is None:
            raise UnreadableVideoError(Quarantine.CHANGED, "its sound track is gone")
        stream = track.stream
        entry = next(entries_before(info, max(0, first_s - _MARGIN_S)))
        seek(container, stream, info, entry)
        even = Evened(rate, names=track.channels)
        clock = Clock(info.stretches, entry.stretch)
        expected: int | None = None
        begin, end = 0, len(samples)
        for frame in _decode(container, stream):
            if frame.time is not None:
                at = round((clock(frame.time) - first_s) * rate)
                if expected is None or abs(at - expected) > _JITTER_S * rate:
                    expected = at
                edges = (np.asarray(clock.limits) - first_s) * rate
                begin, end = np.clip(edges, 0, len(samples)).round().astype(int)
            position = expected or 0
            if position >= len(samples):
                break
            for part in even.blocks(frame):
                _place(samples[begin:end], part[0], position - begin)
                position += part.shape[1]
            expected = position
    return samples


def _decode(container: Any, stream: Any) -> Any:  # noqa: ANN401 - PyAV is untyped
    """Audio frames; packets that cannot be decoded leave silence."""
    for packet in packets(container, stream):
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def _place(samples: NDArray[np.float32], part: NDArray[np.float32], at: int) -> None:
    """Copy `part` to position `at`, leaving out what falls outside."""
    begin, end = max(0, at), min(len(samples), at + len(part))
    if begin < end:
        samples[begin:end] = part[begin - at : end - at]
