"""How many bytes a file should have by what its container says of itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_TS_PACKETS = {188: 0, 192: 4, 204: 0}
"""Sizes of MPEG-TS packets, and where in them the sync byte stands."""
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MP4_BEGINNINGS = frozenset(b"ftyp styp moov mdat wide free skip pnot".split())
_MP4_BOXES = frozenset(b"moov moof mdat".split())
_MXF_PARTITION = bytes.fromhex("060e2b34020501010d0102010102")
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def missing_share(path: Path) -> float:
    """Share of the promised bytes that are not there, 0 where the container promises nothing.

    MPEG-TS and MPEG-PS promise only that their packets are whole: a file that ends inside one was
    cut off, and nobody knows how much is missing (1).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(128)
        if head[4:8] in _MP4_BEGINNINGS:
            return _missing_of_mp4(file, size)
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return _missing(size, int.from_bytes(head[4:8], "little") + 8)
        if head[:16] == _ASF_HEADER:
            return _missing(size, _asf_size(file))
        if head[:4] == _EBML:
            return _missing(size, _matroska_size(file))
        if head[:14] == _MXF_PARTITION:
            return _missing(size, _mxf_footer(head))
        if head[:4] == b"\x00\x00\x01\xba":
            return float(_ends_inside_pack(file, size))
        packet = next((n for n, at in _TS_PACKETS.items() if _is_ts(file, n, at)), 0)
        return float(packet > 0 and size % packet > 0)


def lacks_index(path: Path) -> bool:
    """Whether the file begins as an MP4 but holds no whole `moov` box."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if file.read(8)[4:8] != b"ftyp":
                return False
            return not any(box.kind == b"moov" and box.end <= size for box in _boxes(file, size))
    except OSError:
        return False


class _Box(NamedTuple):
    kind: bytes
    begin: int
    end: int


def _boxes(file: BinaryIO, size: int) -> Iterator[_Box]:
    """The boxes at the top level of an MP4 file; the last may end beyond it."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        end = size if length < 8 else position + length
        yield _Box(kind, position, end)
        position = end


def _missing_of_mp4(file: BinaryIO, size: int) -> float:
    """Share of the last box that is missing; of a fragmented file it is not known (1)."""
    found = list(_boxes(file, size))
    last = found[-1]
    if last.end <= size or last.kind not in _MP4_BOXES:  # what follows the last may be anything
        return 0.0
    if any(box.kind == b"moof" for box in found):
        return 1.0
    return (last.end - size) / (last.end - last.begin)


def _missing(size: int, promised: int) -> float:
    return max(0.0, 1 - size / promised) if promised else 0.0


def _asf_size(file: BinaryIO) -> int:
    """The file's size by its properties; 0 for a broadcast, whose size was not known."""
    file.seek(0)
    header = file.read(1 << 16)
    at = header.find(_ASF_FILE)
    if at < 0 or len(header) < at + 92:
        return 0
    broadcast = header[at + 88] & 1
    return 0 if broadcast else int.from_bytes(header[at + 40 : at + 48], "little")


def _matroska_size(file: BinaryIO) -> int:
    """Where the segment ends by its header; 0 where its size was left open."""
    file.seek(4)
    length = _ebml_number(file)
    file.seek(length or 0, 1)
    if length is None or file.read(4) != _SEGMENT:
        return 0
    length = _ebml_number(file)
    return 0 if length is None else file.tell() + length


def _ebml_number(file: BinaryIO) -> int | None:
    """A number of variable length; None stands for `unknown`."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0xFF >> width)]) + file.read(width - 1), "big")
    return None if value == (1 << 7 * width) - 1 else value


def _mxf_footer(head: bytes) -> int:
    """Where the footer begins by the header's partition pack; 0 where that was left open."""
    wide = head[16] & 0x7F if head[16] & 0x80 else 0
    at = 17 + wide + 24
    return int.from_bytes(head[at : at + 8], "big")


def _ends_inside_pack(file: BinaryIO, size: int) -> bool:
    """Whether an MPEG program stream ends inside a packet: walks those of its last pack."""
    begin = max(0, size - (1 << 18))
    file.seek(begin)
    tail = file.read()
    at = tail.rfind(b"\x00\x00\x01\xba")
    if at < 0 or at + 14 > len(tail):
        return at >= 0
    at += 14 + (tail[at + 13] & 7) if tail[at + 4] >> 6 == 1 else 12
    while at + 6 <= len(tail) and tail[at : at + 3] == b"\x00\x00\x01" and tail[at + 3] != 0xB9:
        at += 6 + int.from_bytes(tail[at + 4 : at + 6], "big")
    return at > len(tail)


def _is_ts(file: BinaryIO, packet: int, sync: int) -> bool:
    """Whether sync bytes stand where those of packets of that size do."""
    file.seek(0)
    head = file.read(packet * 5)
    return len(head) == packet * 5 and all(head[sync + k * packet] == 0x47 for k in range(5))
