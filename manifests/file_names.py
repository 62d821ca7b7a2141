"""Names of files: hidden ones, and those that a list spells differently than the disk."""

import os
from pathlib import Path

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
