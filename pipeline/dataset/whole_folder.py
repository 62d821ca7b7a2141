"""A folder that appears whole: made beside its place, renamed when everything is in it."""

import contextlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from manifests.atomic_write import LOCK, only_writer, rename
from manifests.errors import InputError

MARK = "dawn.json"
"""In each such folder: what was made and of what, so that only our own folder is made anew."""


@dataclass(frozen=True, slots=True)
class NewFolder:
    """A folder that is being made. What is already in it was made by the same plan."""

    path: Path

    def has(self, name: str) -> bool:
        """Whether the file was finished, by this run or one that was killed."""
        return (self.path / name).exists()

    def make(self, name: str, write: Callable[[Path], object]) -> Path:
        """Let `write` make a file, which gets its name once it is whole; its path."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".new-{target.name}")
        write(temporary)
        rename(temporary, target)
        return target

    def text(self, name: str, content: str) -> None:
        """A text file."""
        self.make(name, lambda path: path.write_text(content, encoding="utf-8"))


@contextlib.contextmanager
def whole_folder(out: Path, kind: str, plan: str, *, again: bool = False) -> Iterator[NewFolder]:
    """Make `out`: until the block ends there is only `OUT.part`, which the same plan goes on with.

    `plan` tells what will be in it, by a hash. With `again`, an earlier folder of this kind is
    replaced. Raises InputError where `out` holds anything else, or another process makes it.
    """
    _refuse_others(out, kind, again=again)
    part = out.with_name(f"{out.name}.part")
    mark = {"made_by": f"dawn dataset {kind}", "plan": plan}
    if part.exists() and not part.is_dir():
        raise InputError(f"{part}: is in the way; move it elsewhere")
    if part.is_dir() and any(part.iterdir()) and not (part / MARK).exists():
        raise InputError(f"{part}: holds other files; move it elsewhere, or choose another --out")
    try:
        part.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{part}: cannot be created: {error.strerror}") from error
    with only_writer(part):
        if _mark(part) != mark:
            _empty(part)
            NewFolder(part).text(MARK, json.dumps(mark, indent=1, sort_keys=True) + "\n")
        for half in part.rglob(".new-*"):
            half.unlink()
        yield NewFolder(part)
        (part / LOCK).unlink(missing_ok=True)
        _put(part, out)


def _refuse_others(out: Path, kind: str, *, again: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder")
    if not again:
        raise InputError(f"{out}: is not empty; give a new folder")
    if (_mark(out) or {}).get("made_by") != f"dawn dataset {kind}":
        raise InputError(f"{out}: holds other files; give a new folder, or one of `dataset {kind}`")


def _mark(folder: Path) -> dict[str, str] | None:
    try:
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == LOCK:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _put(part: Path, out: Path) -> None:
    """The old folder steps aside for the moment between two renames."""
    old = out.with_name(f".{out.name}.{uuid.uuid4().hex}.old")
    if out.exists() and any(out.iterdir()):
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)
