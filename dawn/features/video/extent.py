"""Whether a file holds what its header promises: how far its packets reach, and the promise."""

import math
from pathlib import Path
from typing import Any

import av

_LEAST_SHARE = 0.9
_LEAST_S = 1.0
"""Headers round: a file is cut off when a tenth and more than a second are missing."""

_ESTIMATE = 0.01
_CHUNKS = 64
"""More than any WAV file has before its sound."""
_STREAMED = 0x7FFF_0000
"""Sizes from here on stand in WAV headers that were written before the size was known."""


class Extent:
    """Sees all packets of an open container, then tells whether the file was cut off.

    Where a header says nothing of the length (bare MP3 and AAC, streamed Matroska), FFmpeg takes
    the file's size over the bit rate of its beginning. That is no promise: sound of varying bit
    rate would seem to be cut off.
    """

    def __init__(self, container: Any, path: Path) -> None:  # noqa: ANN401 - PyAV is untyped
        self._path = path
        self._from_0 = "matroska" in container.format.name
        self._duration_s = (container.duration or 0) / av.time_base
        # Now: a decoder sets the rate anew with each frame.
        rates = {s.index: s.codec_context.bit_rate for s in container.streams if s.codec_context}
        self._rates = {index: rate for index, rate in rates.items() if rate}
        # FFmpeg writes what it estimates into all streams.
        self._by_stream = all(stream.duration is not None for stream in container.streams)
        self._bytes, self._first, self._end = 0, math.inf, 0.0

    def add(self, packet: Any) -> float | None:  # noqa: ANN401
        """Count a packet; returns its presentation time in seconds where it has one."""
        if packet.stream.index in self._rates:
            self._bytes += packet.size
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.is_discard:
            return None
        time = float(stamp * packet.time_base)
        self._first = min(self._first, time)
        self._end = max(self._end, time + float((packet.duration or 0) * packet.time_base))
        return time

    @property
    def held(self) -> float:
        """Seconds that the packets cover."""
        # Matroska counts its duration from time 0, the others from the first packet.
        return self._end - (0.0 if self._from_0 or self._first == math.inf else self._first)

    @property
    def promised(self) -> float:
        """Seconds that the header promises; 0 where it says nothing."""
        return max(_of_wav(self._path), 0.0 if self._estimated() else self._duration_s)

    def cut_off(self, share: float = _LEAST_SHARE) -> bool:
        """Whether less than this share of what the header promises is there."""
        return self.held < share * self.promised and self.promised - self.held > _LEAST_S

    def _estimated(self) -> bool:
        """Whether the duration is what FFmpeg makes of size and bit rate: of the bytes from the
        first packet on, which lie between those of the packets and those of the file.
        """
        if not self._rates or not self._by_stream:
            return False
        rate = sum(self._rates.values()) / 8
        least, most = self._bytes / rate, self._path.stat().st_size / rate
        return least * (1 - _ESTIMATE) <= self._duration_s <= most * (1 + _ESTIMATE)


def _of_wav(path: Path) -> float:
    """Seconds that a WAV file's header promises where bytes are missing, which FFmpeg does not
    tell; else 0.
    """
    rate, end = 0, path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        for _ in range(_CHUNKS if head[:4] == b"RIFF" and head[8:] == b"WAVE" else 0):
            chunk = file.read(8)
            name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
            if name == b"data":
                missing = rate > 0 and end < file.tell() + size < _STREAMED
                return size / rate if missing else 0.0
            body = file.read(16) if name == b"fmt " and size >= 16 else b""
            rate = int.from_bytes(body[8:12], "little") or rate
            file.seek(size + size % 2 - len(body), 1)
    return 0.0
