"""What is a path, a URI and a file system; paths as users type them, made absolute.

Ray runs work in other directories, on other machines even: a relative path means something else
there. Commands make every path absolute as they start.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from manifests.errors import InputError
from manifests.requests import count_requests

_FILE = re.compile(r"^(file|local)://")
_URI = re.compile(r"([a-z][\w+.-]*::)*[a-z][\w+.-]*://", re.IGNORECASE)

Where = Path | str
"""A file: a path on this machine, or the URI of one that is elsewhere."""


def location(typed: str | Path) -> str:
    """A URI as it is, but for `file://`; any other path absolute, `~` and `..` followed.

    Links keep their names. Raises InputError for an empty path.
    """
    text = _FILE.sub("", os.fspath(typed))
    if not text:
        raise InputError("the path is empty; name a file or a folder")
    if is_uri(text):
        return text
    text = os.path.expanduser(text)  # noqa: PTH111 - leaves `~nobody` as it is
    plain = os.path.abspath(text)  # noqa: PTH100 - keeps the names of links
    if ".." not in Path(text).parts or os.path.realpath(plain) == os.path.realpath(text):
        return plain
    return os.path.realpath(text)  # `link/..` is the folder above the link's target


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or file on a file system: this machine's disk or an object store."""

    fs: fsspec.AbstractFileSystem
    path: str
    """As the file system names it, without a slash at its end."""
    local: bool

    @classmethod
    def of(cls, root: str) -> "Place":
        """The place of a path or URI."""
        # Others write, too: a listing that is kept would hide what they made.
        options = {"use_listings_cache": False} if is_uri(root) else {}
        try:
            fs, path = fsspec.core.url_to_fs(root, **options)
        except (ImportError, ValueError) as error:  # no library for it, no such protocol
            raise InputError(f"{root}: cannot be reached: {error}") from error
        count_requests(fs)
        return cls(fs, path.rstrip("/") or "/", "file" in protocols(fs))

    @property
    def uri(self) -> str:
        """A plain path on this machine's disk, else a URI."""
        return self.path if self.local else f"{protocols(self.fs)[0]}://{self.path}"

    @property
    def stamp(self) -> str:
        """What is another once the file is. Raises FileNotFoundError."""
        return stamp_at(Path(self.path)) if self.local else stamp(self.fs.info(self.path))

    def fetched(self, folder: Path) -> Path:
        """The file itself where it is local, else a copy in `folder`, which is made."""
        if self.local:
            return Path(self.path)
        folder.mkdir(exist_ok=True)
        target = folder / self.path.rsplit("/", 1)[-1]
        self.fs.get_file(self.path, str(target))
        return target


def stamp(info: Mapping[str, Any]) -> str:
    """What a store says of a file that is another once the file is."""
    names = ("ETag", "etag", "LastModified", "mtime")
    return f"{info.get('size')}@{next((info[n] for n in names if info.get(n)), None)}"


def stamp_at(where: Where) -> str:
    """The same of a file. Raises FileNotFoundError."""
    if isinstance(where, str):
        return Place.of(where).stamp
    stat = where.stat()
    return f"{stat.st_size}@{stat.st_mtime_ns}"


def where_of(text: str) -> Where:
    """A file that a row or a list names by its whole path or URI."""
    return text if is_uri(text) else Path(text)


def name_of(where: Where) -> str:
    """The last part of its path."""
    return str(where).rsplit("/", 1)[-1]


def inside(folder: Where, name: str) -> Where:
    """A file of a folder."""
    return folder / name if isinstance(folder, Path) else f"{folder.rstrip('/')}/{name}"


def exists(where: Where) -> bool:
    """Whether there is something."""
    if isinstance(where, Path):
        return where.exists()
    place = Place.of(where)
    return bool(place.fs.exists(place.path))


def protocols(fs: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    """The names of a file system in URIs."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def is_uri(text: str) -> bool:
    """Whether it is a URI and no path."""
    return _URI.match(text) is not None


def split_location(typed: str) -> str:
    """The same of a folder or `DATASET:split`."""
    root, _, split = typed.rpartition(":")
    return f"{location(root)}:{split}" if root and "/" not in split else location(typed)


def local_path(typed: str | Path) -> Path:
    """The same of what can lie on this machine alone. Raises InputError for other URIs, too."""
    place = location(typed)
    if is_uri(place):
        raise InputError(f"{place}: give a path on this machine; this cannot be a URI")
    return Path(place)
