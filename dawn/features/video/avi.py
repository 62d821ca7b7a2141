"""Chunks of an AVI file that are lost.

AVI counts its frames instead of dating them, and an encoder may leave one out by an empty chunk. So
a frame that is not there means damage only where the bytes are not those of chunks.
"""

import re
from pathlib import Path
from typing import Any

_HEADER = 8
_CHUNK = re.compile(rb"[0-9a-fA-F]{2}[a-zA-Z_]{2}|ix\d\d|idx1|JUNK|JUNQ")
_LISTS = {b"LIST", b"RIFF"}
"""Their contents are chunks again, after a name of four bytes."""


class Chunks:
    """Follows where one stream's packets lie in a file, in order from any of them on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end: int | None = None

    def lost_before(self, packet: Any) -> bool:  # noqa: ANN401 - PyAV is untyped
        """Whether between the last packet and this one lies what is no chunk."""
        before, self._end = self._end, None
        if packet.pos is None or packet.size == 0:
            return False
        begin = packet.pos - _HEADER
        with self._path.open("rb") as file:
            if _chunk(file, begin) != packet.pos + packet.size + packet.size % 2:
                return False  # the packet is not one chunk
            self._end = packet.pos + packet.size + packet.size % 2
            while before is not None and before < begin:
                before = _chunk(file, before)
                if before is None or before > begin:
                    return True
        return False


def _chunk(file: Any, at: int) -> int | None:  # noqa: ANN401
    """Where the chunk at a place ends, or a list's contents begin; None where there is none."""
    file.seek(max(at, 0))
    header = file.read(_HEADER)
    if header[:4] in _LISTS:
        return at + _HEADER + 4
    if len(header) < _HEADER or not _CHUNK.fullmatch(header[:4]):
        return None
    size = int.from_bytes(header[4:], "little")
    return at + _HEADER + size + size % 2
