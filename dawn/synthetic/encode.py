"""Frames and sound into an mp4 file, by PyAV: H.264 and AAC, exact frame times.

Apart from ingest's own video code, so that neither's faults hide the other's.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import scipy
from numpy.typing import NDArray

from dawn.synthetic.voice import RATE

SOUND_RATE = 48_000
"""Samples a second in the files."""

_QUARTER_TURN = (0, 1 << 16, 0, -(1 << 16), 0, 0)  # a, b, u, c, d, v: clockwise on display


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    times: Sequence[Fraction],
    time_base: Fraction,
    sound: NDArray[np.float32] | None,
) -> None:
    """Write RGB frames (H, W, 3) shown at the given times, each a multiple of the time base,
    with 16 kHz mono sound from time 0. Equal input gives equal decoded frames.
    """
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=round(1 / time_base))
        video.time_base = video.codec_context.time_base = time_base
        video.pix_fmt = "yuv420p"
        # Repeatable: x264's macroblock tree differs from run to run at this size, and more
        # threads would let the core count show.
        video.options = {"preset": "veryfast", "crf": "18", "g": "50", "x264-params": "mbtree=0"}
        video.codec_context.thread_count = 1
        audio = None
        if sound is not None:
            audio = file.add_stream("aac", rate=SOUND_RATE, layout="mono")
            audio.bit_rate = 96_000
        for picture, time in zip(frames, times, strict=True):
            if not video.codec_context.is_open:
                video.height, video.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = int(time / time_base), time_base
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        if audio is not None and sound is not None:
            fine = scipy.signal.resample_poly(sound, SOUND_RATE // RATE, 1).astype(np.float32)
            block = av.AudioFrame.from_ndarray(fine[None], format="fltp", layout="mono")
            block.sample_rate, block.pts = SOUND_RATE, 0
            block.time_base = Fraction(1, SOUND_RATE)
            file.mux(audio.encode(block))
            file.mux(audio.encode(None))


def mark_turned(path: Path) -> None:
    """Set the display matrix: players turn the stored pixels a quarter turn clockwise."""
    data = bytearray(path.read_bytes())
    for start, end in _boxes(data, b"moov", 0, len(data)):
        for track, track_end in _boxes(data, b"trak", start, end):
            if b"vide" not in data[track:track_end]:
                continue
            header, _ = next(_boxes(data, b"tkhd", track, track_end))
            matrix = header + (40 if data[header] == 0 else 52)  # version 1 has longer times
            struct.pack_into(">6i", data, matrix, *_QUARTER_TURN)
    path.write_bytes(data)


def _boxes(data: bytearray, kind: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Content bounds of the boxes of one kind between two offsets of an mp4 file."""
    while start < end:
        size = int.from_bytes(data[start : start + 4], "big")
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        if data[start + 4 : start + 8] == kind:
            yield start + head, start + size
        start += size or end
