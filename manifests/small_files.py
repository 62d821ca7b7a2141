"""Small files of object stores, each read in one request, and many of them at once.

A part of a video is a few dozen kB. Libraries that read Parquet ask for its end, its footer and
each column in turn: four requests or more, one after the other, each of which takes longer than
the whole file does.
"""

import io
import threading
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
    since what is read is read in order. Folders are taken as `fs` lists them.
    """

    cachable = False

    def __init__(self, fs: AbstractFileSystem) -> None:
        super().__init__()
        self.protocol = fs.protocol
        self._fs, self._lock = fs, threading.Lock()
        self._held: OrderedDict[str, bytes] = OrderedDict()

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
        beside = self._fs.ls(path.rpartition("/")[0], detail=True)
        small = sorted(
            info["name"] for info in beside if info["type"] == "file" and info["size"] <= SMALL
        )
        if path not in small:
            return
        place = small.index(path)
        wanted = [name for name in small[place : place + AT_ONCE] if name not in self._held]
        for name, content in self._fs.cat(wanted, on_error="omit").items():
            self._held[name] = content
        while sum(map(len, self._held.values())) > HELD and len(self._held) > 1:
            oldest = next(name for name in self._held if name != path)
            del self._held[oldest]

    # --- as the one behind ---------------------------------------------------------------------

    def info(self, path: str, **options: object) -> dict[str, Any]:
        """Size and kind of a file."""
        return self._fs.info(path, **options)

    def ls(self, path: str, detail: bool = True, **options: object) -> list[Any]:
        """What is in a folder."""
        return self._fs.ls(path, detail=detail, **options)

    def glob(self, path: str, **options: object) -> list[str]:
        """Files of a pattern."""
        return self._fs.glob(path, **options)

    def exists(self, path: str, **options: object) -> bool:
        """Whether a file is there."""
        return bool(self._fs.exists(path, **options))

    def modified(self, path: str) -> datetime:
        """When a file was written."""
        return self._fs.modified(path)
