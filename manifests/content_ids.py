"""Identity is content: ids are hashes of bytes, names are labels."""

import hashlib
from pathlib import Path

from manifests.location import Where


def video_id(path: Path) -> str:
    """First 24 hex digits of the SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:24]


def absent_id(path: str) -> str:
    """The id of a source whose bytes could not be read: a hash of its path, told apart by `x`."""
    return "x" + hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:23]


def is_absent(video: str) -> bool:
    """Whether an id is `absent_id`'s: of a path, not of content."""
    return video.startswith("x")


def clip_id(video: str, start_frame: int, track: int) -> str:
    """A clip's id: its video, its first frame and the number of its track there."""
    return f"{video}-{start_frame:07d}-{track}"


def label(path: Where) -> str:
    """A path as text that any table can hold: undecodable bytes become escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode()
