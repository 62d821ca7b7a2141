"""Small files of object stores, each read in one request, and many of them at once.

A part of a video is a few dozen kB. Libraries that read Parquet ask for its end, its footer and
each column in turn: four requests or more, one after the other, each of which takes longer than
the whole file does.
"""

import io
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import IO, Any

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

SMALL = 4 * 2**20
"""Bytes up to which a file is read whole."""
AT_ONCE = 64
"""Files that are fetched together."""
HELD = 128 * 2**20
"""Bytes of fetched files that wait to be read."""


def opened(fs: AbstractFileSystem, path: str) -> IO[bytes]:
    """A file to read: a small one of an object store as a whole. Raises FileNotFoundError."""
    if not isinstance(fs, LocalFileSystem):
        start = fs.cat_file(path, start=0, end=SMALL)
        if len(start) < SMALL:
            return io.BytesIO(start)
    return fs.open(path, "rb")


def each_opened(fs: AbstractFileSystem, paths: Sequence[str]) -> Iterator[IO[bytes]]:
    """Files to read one after the other, those of an object store fetched many at a time. Raises
    FileNotFoundError.
    """
    if isinstance(fs, LocalFileSystem):
        for path in paths:
            with fs.open(path, "rb") as file:
                yield file
        return
    for begin in range(0, len(paths), AT_ONCE):
        some = [*paths[begin : begin + AT_ONCE]]
        starts = fs.cat_ranges(some, [0] * len(some), [SMALL] * len(some), on_error="raise")
        for path, start in zip(some, starts, strict=True):
            if len(start) < SMALL:
                yield io.BytesIO(start)
            else:
                with fs.open(path, "rb") as file:
                    yield file


class ReadingAhead(AbstractFileSystem):  # type: ignore[misc]
    """A file system in front of another: with a small file it fetches those after it in its folder,
    since what is read is read in order. A folder is listed once: DuckDB asks of each file several
    times whether it is there, which would be a request each.
    """

    cachable = False

    def __init__(self, fs: AbstractFileSystem) -> None:
        super().__init__()
        self.protocol = fs.protocol
        self._fs, self._lock = fs, threading.RLock()
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._listed: dict[str, dict[str, dict[str, Any]]] = {}
        self._small: dict[str, list[str]] = {}

    def open(self, path: str, mode: str = "rb", **options: object) -> IO[bytes]:
        """A file, of what lies ready where it can be."""
        path = self._fs._strip_protocol(path)
        with self._lock:
            content = self._held.get(path)
            if content is None and mode == "rb":
                self._fetch_from(path)
                content = self._held.get(path)
        if content is not None:
            return io.BytesIO(content)
        return self._fs.open(path, mode, **options)

    def _fetch_from(self, path: str) -> None:
        """The file and those after it, as far as they are small."""
        small = self._small_in(path.rpartition("/")[0])
        place = bisect_left(small, path)
        if small[place : place + 1] != [path]:
            return
        wanted = [name for name in small[place : place + AT_ONCE] if name not in self._held]
        ends = [SMALL] * len(wanted)
        found = self._fs.cat_ranges(wanted, [0] * len(wanted), ends, on_error="return")
        for name, content in zip(wanted, found, strict=True):
            # no reason why it could not be read, nor the beginning of what has grown meanwhile
            if isinstance(content, bytes) and len(content) < SMALL:
                self._held[name] = content
        while sum(map(len, self._held.values())) > HELD and len(self._held) > 1:
            oldest = next(name for name in self._held if name != path)
            del self._held[oldest]

    def _small_in(self, folder: str) -> list[str]:
        """A folder's small files in order."""
        if folder not in self._small:
            self._small[folder] = sorted(
                name
                for name, info in self._listing(folder).items()
                if info["type"] == "file" and info["size"] < SMALL
            )
        return self._small[folder]

    def _listing(self, folder: str) -> dict[str, dict[str, Any]]:
        """What was in a folder when it was first asked about, by path. Raises FileNotFoundError."""
        with self._lock:
            if folder not in self._listed:
                there = self._fs.ls(folder, detail=True)
                self._listed[folder] = {info["name"]: info for info in there}
            return self._listed[folder]

    # --- as the one behind ---------------------------------------------------------------------

    def info(self, path: str, **options: object) -> dict[str, Any]:  # noqa: ARG002
        """Size and kind of a file. Raises FileNotFoundError."""
        path = self._fs._strip_protocol(path)
        if path in self._listed and self.isdir(path):
            return {"name": path, "size": 0, "type": "directory"}
        found = self._listing(path.rpartition("/")[0]).get(path)
        if found is None:
            raise FileNotFoundError(path)
        content = self._held.get(path)  # of a file that was replaced since it was listed
        return found if content is None else found | {"size": len(content)}

    def exists(self, path: str, **options: object) -> bool:  # noqa: ARG002
        """Whether a file is there. Errors of the store are errors."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: str, detail: bool = True, **options: object) -> list[Any]:  # noqa: ARG002
        """What is in a folder."""
        found = self._listing(self._fs._strip_protocol(path))
        return [*found.values()] if detail else [*found]

    def isdir(self, path: str) -> bool:
        """Whether it is a folder, which is listed for that."""
        path = self._fs._strip_protocol(path)
        try:
            return self._listing(path).keys() != {path}  # of a file a listing names that alone
        except FileNotFoundError:
            return False

    def glob(self, path: str, **options: object) -> list[str]:
        """Files of a pattern."""
        return list(super().glob(self._fs._strip_protocol(path), **options))

    def modified(self, path: str) -> datetime:
        """When a file was written: of a store that lists it, without asking again."""
        listed = self.info(path).get("LastModified")
        return listed if isinstance(listed, datetime) else self._fs.modified(path)
