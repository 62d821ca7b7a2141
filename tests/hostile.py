"""Makes files that videos should not be. Tiny, from code alone: PyAV, and bytes patched by hand."""

import io
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

Pictures = Iterable[np.ndarray]
CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf"})


@cache
def face() -> np.ndarray:
    """A real face, 128 x 128."""
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[10:266:2, 90:346:2])


def faces(count: int = 30) -> Pictures:
    """The face, drifting a little so that no two frames are the same."""
    return (np.roll(face(), k % 5, axis=1) for k in range(count))


def noise(count: int = 25, width: int = 96, height: int = 64, seed: int = 0) -> Pictures:
    """Coloured blocks that move; no face."""
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    big = blocks.repeat(-(-height // 8), 0).repeat(-(-width // 8), 1)[:height, :width]
    return (np.ascontiguousarray(np.roll(big, k, axis=1)) for k in range(count))


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """(channels, samples) of a hum."""
    wave = 0.3 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


class Film:
    """A file that is being written: pictures, then sound, then `close`."""

    def __init__(self, path: Path, kind: str | None = None, **flags: str) -> None:
        self._container = av.open(f"file:{path}", "w", format=kind, options=flags)
        self._packets: list[av.Packet] = []

    def pictures(
        self,
        pictures: Pictures,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        rate: Fraction | int = 25,
        times: Callable[[int], int] | None = None,
        options: dict[str, str] | None = None,
        aspect: Fraction | None = None,
    ) -> "Film":
        """Add a stream. `times` gives the timestamp of packet k, in steps of 1 / rate."""
        stream = None
        packets: list[av.Packet] = []
        for k, array in enumerate(pictures):
            if stream is None:
                stream = self._container.add_stream(codec, rate=rate, options=options or {})
                stream.height, stream.width = array.shape[:2]
                stream.pix_fmt = pixels
                stream.codec_context.thread_count = 1
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
                stream.time_base = stream.codec_context.time_base = 1 / Fraction(rate)
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = k, 1 / Fraction(rate)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for k, packet in enumerate(packets if times else ()):
            packet.time_base = 1 / Fraction(rate)
            packet.pts = packet.dts = times(k)
        self._packets += packets
        return self

    def sound(
        self,
        seconds: float = 1.2,
        codec: str = "aac",
        rate: int = 44_100,
        layout: str = "mono",
        late_s: float = 0.0,
    ) -> "Film":
        """Add a hum."""
        stream = self._container.add_stream(codec, rate=rate, layout=layout)
        names = {"aac": "fltp", "libmp3lame": "fltp", "ac3": "fltp"}
        samples = tone(seconds, rate, len(av.AudioLayout(layout).channels))
        resampler = av.AudioResampler(names.get(codec, "s16"), layout, rate)
        for begin in range(0, samples.shape[1], 4096):
            block = np.ascontiguousarray(samples[:, begin : begin + 4096].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, "flt", layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = begin + round(late_s * rate)
            for part in resampler.resample(frame):
                self._packets += stream.encode(part)
        self._packets += stream.encode(None)
        return self

    def subtitles(self, text: str) -> "Film":
        """Add a subtitle stream of one line."""
        lines = f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n\n".encode()
        with av.open(io.BytesIO(lines), format="srt") as source:
            stream = self._container.add_stream_from_template(source.streams.subtitles[0])
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    self._packets.append(packet)
        return self

    def close(self) -> None:
        """Write everything, in order of time within each stream."""
        for packet in sorted(self._packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            self._container.mux(packet)
        self._container.close()


@cache
def plain(kind: str = "mp4", codec: str = "libx264", frames: int = 50, **flags: str) -> bytes:
    """The bytes of an ordinary film without a face."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        Film(path, kind, **flags).pictures(noise(frames), codec).sound(frames / 25).close()
        return path.read_bytes()


def edited(data: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """An MP4 with the content of every box of that kind changed; sizes are set right.

    Only for files whose media come before the index: nothing that offsets point to moves.
    """
    result, position = b"", 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + size]
        if name == kind:
            body = change(body)
        elif name in CONTAINERS:
            body = edited(body, kind, change)
        result += struct.pack(">I4s", len(body) + 8, name) + body
        position += size
    return result


def boxes(data: bytes) -> dict[bytes, bytes]:
    """The top-level boxes of an MP4, headers included."""
    found, position = {}, 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        found[name] = data[position : position + size]
        position += size
    return found


def patched(data: bytes, at: int, value: bytes) -> bytes:
    """Bytes overwritten from `at` on."""
    return data[:at] + value + data[at + len(value) :]


def flipped(data: bytes, begin: float, end: float, every: int) -> bytes:
    """Every so many bytes turned over between two shares of the file."""
    array = np.frombuffer(data, np.uint8).copy()
    array[int(len(data) * begin) : int(len(data) * end) : every] ^= 0xFF
    return array.tobytes()


def external(data: bytes, path: str) -> bytes:
    """An MP4 whose media are said to lie in another file: an alias of an absolute path."""
    name = path.encode()
    alias = bytes(10) + b"\x04disk".ljust(28, b"\0") + bytes(12)
    alias += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 1, 1)
    alias += bytes(16) + struct.pack(">HH", 2, len(name)) + name.ljust(len(name) + 1 & ~1, b"\0")
    alias += struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", len(alias) + 12, b"alis", 0) + alias
    return edited(data, b"dref", lambda _: struct.pack(">II", 0, 1) + entry)
