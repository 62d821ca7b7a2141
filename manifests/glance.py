"""What can be told of a file without reading it, and whether that vouches for its bytes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.location import Place, Where, stamp

SETTLED_S = 2.0
"""A file that was changed less than this ago may be changed again without another time: FAT counts
in two seconds, others in one.
"""


@dataclass(frozen=True, slots=True)
class Glance:
    """A file's size, its `manifests.location.stamp`, and its mark."""

    size: int
    stamp: str
    mark: str | None
    """Where it is the same later on, so are the bytes; None: nothing vouches for that.

    On disks size, time and inode, by which another machine's file of the same path and time is
    another; in object stores the size and a strong ETag.
    """


def glance_at(where: Where) -> Glance:
    """Look at a file or an object. Raises OSError where there is none, or no way to it."""
    if isinstance(where, str):
        place = Place.of(where)
        if not place.local:
            return glance(place.fs.info(place.path))
        where = Path(place.path)
    now, stat = time.time(), where.stat()
    text = f"{stat.st_size}@{stat.st_mtime_ns}"
    settled = now - stat.st_mtime >= SETTLED_S
    return Glance(stat.st_size, text, f"{text}@{stat.st_ino}" if settled else None)


def glance(info: Mapping[str, Any]) -> Glance:
    """What an object store says of an object, as `info` and listings of fsspec give it."""
    text, etag = stamp(info), str(info.get("ETag") or info.get("etag") or "W/")
    return Glance(int(info["size"]), text, None if etag.startswith("W/") else text)
