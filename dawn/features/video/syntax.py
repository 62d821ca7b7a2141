"""Damage that decoders pass over in silence, read off the coded bytes.

A decoder of H.264 turns a run of zeros into pictures, and replaces reference frames that are gone
by others. The coded stream shows both: a NAL unit never holds the bytes 00 00 00, 00 00 01 or
00 00 02 (ITU-T H.264 and H.265, 7.4.1), and `frame_num` counts the reference frames (H.264, 7.4.3).
In MPEG-1, -2 and -4 only a start code follows so many zeros. Flipped bits show in neither, and VP8,
VP9 and AV1 have nothing of the kind.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from manifests.errors import InputError

_FORBIDDEN = re.compile(rb"\x00\x00[\x00-\x02]")
_ZEROS = re.compile(rb"\x00{3,}(?![\x00\x01])")
_START = re.compile(rb"\x00\x00\x01")
_WITH_START_CODES = {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"}
_HEADER_BYTES = 32
"""Enough of a slice for what comes before `frame_num`."""
_PARAMETERS, _SLICE, _IDR = 7, 1, 5
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}


class Syntax:
    """Reads one video stream's packets in decoding order, from any key frame on."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._codec = codec
        self._length_bytes = _length_bytes(codec, extradata)
        self._count = _FrameNumbers() if codec == "h264" else None
        if self._count is not None and self._length_bytes:
            for unit in _parameter_sets(extradata):
                if unit:
                    self._count.broken(unit, key=True)

    def broken(self, packet: bytes, *, key: bool) -> bool:
        """Whether the packet, or one that should have come before it, is damaged. A key frame does
        not need what came before it.
        """
        if self._codec not in _WITH_START_CODES:
            return False
        if self._length_bytes:
            units = list(_units(packet, self._length_bytes))
            wrong = any(unit is None or _FORBIDDEN.search(unit.rstrip(b"\0")) for unit in units)
        else:
            wrong = _ZEROS.search(packet.rstrip(b"\0")) is not None
            units = list(_between_start_codes(packet)) if self._count is not None else []
        if self._count is not None:
            for unit in filter(None, units):
                wrong |= self._count.broken(unit, key=key)
        return wrong


class _FrameNumbers:
    """Follows H.264's count of reference frames."""

    def __init__(self) -> None:
        self._sets: dict[int, tuple[int, bool, bool]] = {}
        self._last: int | None = None

    def broken(self, unit: bytes, *, key: bool) -> bool:
        """Whether reference frames are missing before a NAL unit."""
        kind, is_reference = unit[0] & 31, bool(unit[0] >> 5 & 3)
        try:
            if kind == _PARAMETERS:
                number, *what = _parameters(_Bits(unit[1:]))
                self._sets[number] = (what[0], bool(what[1]), bool(what[2]))
            if kind not in (_SLICE, _IDR) or len(set(self._sets.values())) != 1:
                return False
            bits, separate, gaps = next(iter(self._sets.values()))
            number = _frame_number(_Bits(unit[1:_HEADER_BYTES]), bits, separate)
        except InputError:
            return True
        before = self._last
        if is_reference:
            self._last = number
        # An encoder may begin to count anew at 0 (memory management control operation 5).
        expected = (before, 0, 1) if before is None else (before, (before + 1) % 2**bits, 0, 1)
        return not (key or gaps or before is None or number in expected)


class _Bits:
    """The bits of a NAL unit's payload without the bytes that keep start codes out of it."""

    def __init__(self, payload: bytes) -> None:
        plain = payload.replace(b"\0\0\3", b"\0\0")
        self._bits = bin(int.from_bytes(b"\1" + plain, "big"))[3:]
        self._at = 0

    def take(self, count: int) -> int:
        """An unsigned number of so many bits. Raises InputError where they are not there."""
        self._at += count
        if self._at > len(self._bits):
            raise InputError("the NAL unit ends too early")
        return int(self._bits[self._at - count : self._at] or "0", 2)

    def unsigned(self) -> int:
        """An Exp-Golomb code, ue(v)."""
        one = self._bits.find("1", self._at)
        if one < 0 or one - self._at > 32:
            raise InputError("no number is so long")
        zeros = one - self._at
        self._at = one
        return self.take(zeros + 1) - 1

    def signed(self) -> int:
        """A signed one, se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -code // 2


def _parameters(bits: _Bits) -> tuple[int, int, bool, bool]:
    """Of a sequence parameter set: its number, the bits of `frame_num`, whether colour planes are
    coded apart, and whether gaps in the count are allowed (H.264, 7.3.2.1.1).
    """
    profile = bits.take(24) >> 16
    number, separate = bits.unsigned(), False
    if profile in _HIGH_PROFILES:
        colours = bits.unsigned()
        separate = colours == 3 and bool(bits.take(1))
        bits.unsigned(), bits.unsigned(), bits.take(1)
        if bits.take(1):
            for i in range(12 if colours == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if i < 6 else 64)
    length = bits.unsigned() + 4
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.take(1), bits.signed(), bits.signed()
        for _ in range(bits.unsigned()):
            bits.signed()
    bits.unsigned()
    return number, length, separate, bool(bits.take(1))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    scale = 8
    for _ in range(size):
        scale = (scale + bits.signed()) % 256
        if scale == 0:
            return


def _frame_number(bits: _Bits, length: int, separate: bool) -> int:
    bits.unsigned(), bits.unsigned(), bits.unsigned()  # first macroblock, kind, parameter set
    bits.take(2 if separate else 0)
    return bits.take(length)


def _length_bytes(codec: str, extradata: bytes) -> int:
    """Bytes of the length before each NAL unit; 0 where start codes part them."""
    place = {"h264": 4, "hevc": 21}.get(codec)
    if place is None or len(extradata) <= place or extradata[0] != 1:
        return 0
    return (extradata[place] & 3) + 1


def _units(packet: bytes, length_bytes: int) -> Iterator[bytes | None]:
    """NAL units after their lengths; None where one does not fit."""
    at = 0
    while at < len(packet):
        begin = at + length_bytes
        at = begin + int.from_bytes(packet[at:begin], "big")
        yield packet[begin:at] if begin <= len(packet) and at <= len(packet) else None


def _between_start_codes(packet: bytes) -> Iterator[bytes]:
    starts = [found.end() for found in _START.finditer(packet)]
    for begin, end in pairwise([*starts, len(packet) + 3]):
        yield packet[begin : end - 3]


def _parameter_sets(extradata: bytes) -> Iterator[bytes]:
    """The sequence parameter sets of an `avcC` (ISO/IEC 14496-15, 5.3.3.1)."""
    at = 6
    for _ in range(extradata[5] & 31 if len(extradata) > 5 else 0):
        size = int.from_bytes(extradata[at : at + 2], "big")
        yield extradata[at + 2 : at + 2 + size]
        at += 2 + size
