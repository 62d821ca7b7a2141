"""Whether a file carries content credentials, from its boxes alone: nothing is checked."""

from pathlib import Path
from typing import BinaryIO
from uuid import UUID

C2PA = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
"""Of the box that holds a manifest store (C2PA 2, "Embedding manifests into BMFF-based assets")."""
_BOXES = 100_000
"""Boxes that are looked at; a fragmented video of an hour has 60,000."""


def is_bmff(path: Path) -> bool:
    """Whether a file begins as MP4 and its relatives do (ISO/IEC 14496-12)."""
    with path.open("rb") as file:
        return file.read(12)[4:8] == b"ftyp"


def carries(path: Path) -> bool:
    """Whether the MP4 has a box of content credentials. Raises OSError."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        at = 0
        for _ in range(_BOXES):
            size, kind, name = _box(file, at)
            if kind == b"uuid" and name == C2PA:
                return True
            if size < 8 or at + size >= end:
                return False
            at += size
    return False


def _box(file: BinaryIO, at: int) -> tuple[int, bytes, bytes]:
    """Size, kind and, of an extended one, name of the box there; size 0: to the end, or no box."""
    file.seek(at)
    head = file.read(8)
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if size == 1:
        size = int.from_bytes(file.read(8), "big")
    return size, kind, file.read(16) if kind == b"uuid" else b""
