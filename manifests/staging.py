"""Files of object stores on this machine's disk, for libraries that open paths.

A file is fetched once for all processes of a machine into `$DAWN_SCRATCH` (default: a folder in the
temporary one). What is in use is locked by the kernel, so that it goes with its user, however that
ends; when more than `$DAWN_SCRATCH_GB` would lie there, what was not used for longest goes first.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from manifests.config import stable_hash
from manifests.errors import InputError
from manifests.location import Place, Where, stamp

FOLDER_VARIABLE = "DAWN_SCRATCH"
LIMIT_VARIABLE = "DAWN_SCRATCH_GB"
LIMIT_GB = 20.0

_held: dict[str, IO[bytes]] = {}
"""Locks that this process keeps until it ends, by entry."""


@contextlib.contextmanager
def at_hand(where: Where) -> Iterator[Path]:
    """A file as a path on this machine's disk, meanwhile. Raises FileNotFoundError."""
    if isinstance(where, Path):
        yield where
        return
    place = Place.of(where)
    if place.local:
        yield Path(place.path)
        return
    info = place.fs.info(place.path)
    name = place.path.rsplit("/", 1)[-1]
    folder, lock = _entry(place, {name: info})
    with lock:
        yield folder / name


def keep_at_hand(where: str, wanted: Callable[[str], bool]) -> Path:
    """The files of a folder, by their names inside it, on this machine's disk until this process
    ends: the folder itself where it is local. Raises FileNotFoundError where there is none.
    """
    place = Place.of(where)
    if place.local:
        return Path(place.path)
    found = place.fs.find(place.path, maxdepth=2, detail=True)
    files = {path[len(place.path) + 1 :]: info for path, info in found.items()}
    files = {name: info for name, info in files.items() if wanted(name)}
    if not files:
        raise FileNotFoundError(where)
    folder, lock = _entry(place, files)
    _held.setdefault(str(folder), lock)
    return folder


def _entry(place: Place, files: Mapping[str, dict[str, object]]) -> tuple[Path, IO[bytes]]:
    """Some files below a place, fetched into a folder, and the open file whose lock keeps it."""
    single = len(files) == 1 and place.path.endswith(next(iter(files)))
    stamps = sorted([name, stamp(info)] for name, info in files.items())
    root = _root()
    folder = root / stable_hash([place.uri, stamps])
    size = sum(int(str(info["size"])) for info in files.values())
    while True:
        lock = _locked(folder, fcntl.LOCK_SH)  # who uses it, and waits for who fetches it
        if folder.is_dir():
            os.utime(folder)
            return folder, lock
        lock.close()
        with _locked(folder, fcntl.LOCK_EX):
            if folder.is_dir():
                continue
            _make_room(root, size)
            part = root / f".{uuid.uuid4().hex}"
            try:
                for name in files:
                    (part / name).parent.mkdir(parents=True, exist_ok=True)
                    remote = place.path if single else f"{place.path}/{name}"
                    place.fs.get_file(remote, str(part / name))
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)


def _locked(folder: Path, how: int) -> IO[bytes]:
    """The open lock of an entry, held until it is closed."""
    path = folder.with_suffix(".lock")
    while True:
        file = path.open("ab")
        fcntl.flock(file, how)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()  # it was cleared away in between


def _make_room(root: Path, size: int) -> None:
    """Clear away what was not used for longest and is not in use, until `size` bytes fit."""
    limit = _limit()
    entries = sorted((e for e in root.iterdir() if _is_entry(e)), key=lambda e: e.stat().st_mtime)
    sizes = {entry: _bytes_in(entry) for entry in entries}
    total = sum(sizes.values())
    for entry in entries:
        if total + size <= limit:
            return
        with entry.with_suffix(".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(entry, ignore_errors=True)
            entry.with_suffix(".lock").unlink(missing_ok=True)
            total -= sizes[entry]


def _is_entry(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _bytes_in(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return 0


def _root() -> Path:
    named = os.environ.get(FOLDER_VARIABLE)
    root = Path(named or f"{tempfile.gettempdir()}/dawn-scratch-{os.getuid()}")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if root.stat().st_uid != os.getuid():
        raise InputError(f"{root}: is another user's; set ${FOLDER_VARIABLE} to a folder of yours")
    return root


def _limit() -> float:
    text = os.environ.get(LIMIT_VARIABLE, str(LIMIT_GB))
    try:
        return float(text) * 1e9
    except ValueError as error:
        raise InputError(f"{LIMIT_VARIABLE}={text}: give a number of gigabytes") from error
