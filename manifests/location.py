"""Paths as users type them, made absolute while the directory they were typed in is known.

Ray runs work in other directories, on other machines even: a relative path means something else
there. Commands make every path absolute as they start.
"""

import os
import re
from pathlib import Path

from manifests.errors import InputError

_FILE = re.compile(r"^(file|local)://")
_URI = re.compile(r"([a-z][\w+.-]*::)*[a-z][\w+.-]*://", re.IGNORECASE)


def location(typed: str | Path) -> str:
    """A URI as it is, but for `file://`; any other path absolute, `~` and `..` followed.

    Links keep their names. Raises InputError for an empty path.
    """
    text = _FILE.sub("", os.fspath(typed))
    if not text:
        raise InputError("the path is empty; name a file or a folder")
    if _URI.match(text):
        return text
    text = os.path.expanduser(text)  # noqa: PTH111 - leaves `~nobody` as it is
    plain = os.path.abspath(text)  # noqa: PTH100 - keeps the names of links
    if ".." not in Path(text).parts or os.path.realpath(plain) == os.path.realpath(text):
        return plain
    return os.path.realpath(text)  # `link/..` is the folder above the link's target


def split_location(typed: str) -> str:
    """The same of a folder or `DATASET:split`."""
    root, _, split = typed.rpartition(":")
    return f"{location(root)}:{split}" if root and "/" not in split else location(typed)


def local_path(typed: str | Path) -> Path:
    """The same of what can lie on this machine alone. Raises InputError for other URIs, too."""
    place = location(typed)
    if _URI.match(place):
        raise InputError(f"{place}: give a path on this machine; this cannot be a URI")
    return Path(place)
