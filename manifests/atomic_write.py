"""How files appear: written aside, then renamed whole, by one writer at a time."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
from filelock import FileLock, Timeout

from manifests.errors import InputError
from manifests.lease import Lease
from manifests.location import Place, Where

LOCK = ".lock"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a local folder for writing. Raises InputError while another process does.

    The lock is the kernel's, so that it goes with its holder, however that ends.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"{folder}: another dawn command is writing to it; wait for it to end"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def only_writer_at(
    fs: fsspec.AbstractFileSystem, local: bool, path: str, uri: str
) -> Iterator[Callable[[], None]]:
    """The same of a folder on any file system, a `manifests.lease` where it is not local. Gives
    what raises InputError once the hold is lost, which a local lock never is.
    """
    if local:
        with only_writer(Path(path)):
            yield _held
        return
    with Lease(fs, f"{path}/{LOCK}", uri).held() as lease:
        yield lease.require


def _held() -> None:
    """The kernel sees to it."""


def publish_file(fs: fsspec.AbstractFileSystem, local: bool, temporary: Path, target: str) -> None:
    """Move a finished local file to `target` on `fs`, whole, replacing what was there."""
    if local:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        rename(temporary, Path(target))
    else:
        fs.put_file(str(temporary), target)
        temporary.unlink()


def write_whole(where: Where, content: bytes) -> None:
    """Write a file at once or not at all, replacing what was there; its folder is made."""
    if isinstance(where, str):
        place = Place.of(where)
        place.fs.pipe_file(place.path, content)
        return
    where.parent.mkdir(parents=True, exist_ok=True)
    temporary = where.with_name(f".{where.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(where)
    finally:
        temporary.unlink(missing_ok=True)


def rename(source: Path, target: Path) -> None:
    """Rename durably: the file's bytes and the folder's entry survive a power cut."""
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
