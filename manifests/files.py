"""Files by path or URI: whether they lie on this machine, and copies of those that do not."""

import os
from pathlib import Path

import fsspec

from manifests.names import normalised


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is never looked at unless a user names it: what begins
    with a dot, such as the `._NAME` that macOS writes beside each NAME on foreign disks.
    """
    return name.startswith(".")


def on_disk(path: Path) -> Path:
    """The file that a path in a list means: the path itself, or, where nothing is there, the one
    file whose name differs in spelling alone (Unicode form, blanks around it).
    """
    if os.path.lexists(path) or path == path.parent:
        return path
    folder = on_disk(path.parent)
    if os.path.lexists(folder / path.name):
        return folder / path.name
    wanted = normalised(path.name)
    try:
        alike = [entry for entry in folder.iterdir() if normalised(entry.name) == wanted]
    except OSError:
        return path
    return alike[0] if len(alike) == 1 else path


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether it is this machine's disk."""
    return "file" in protocols(fs)


def protocols(fs: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    """The names of a file system in URIs."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def local_copy(uri: str, folder: Path) -> Path:
    """The file itself where it is local, else a copy in `folder`, which is made."""
    fs, path = fsspec.core.url_to_fs(uri)
    if is_local(fs):
        return Path(path)
    folder.mkdir()
    target = folder / path.rsplit("/", 1)[-1]
    fs.get_file(path, str(target))
    return target
