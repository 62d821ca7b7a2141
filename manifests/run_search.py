"""Finding runs and results in folders that users give."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from manifests.errors import InputError
from manifests.runs import RUN_TABLES, RunFolder

DEPTH = 4
"""Folders below a given one that are looked into: RUN/a2v/long lies in a folder of runs."""

_OWN = {*RUN_TABLES, "videos", "checkpoints", "tensorboard", "pictures", "model", "logs"}
"""What a run itself holds; no other run lies there."""
_DATASET = "dataset.json"
_MAKERS = "`dawn evaluate`, `dawn generate` or `dawn train`"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of folder: its info file, and a key that other programs' files of that name lack."""

    name: str
    info_name: str
    key: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run or results folder; no other that was found has its `kind` and `name`."""

    kind: str
    name: str
    folder: RunFolder


def find_runs(roots: Iterable[str], kinds: Sequence[Kind]) -> list[Run]:
    """The folders of these kinds at and below each root (a path or a URI), each once.

    A run is named by its path below the root, or by its own name where it is the root; by its
    whole path where that would name two. Raises InputError for a root that is no folder or holds
    none, and for an info file that cannot be read.
    """
    found: dict[tuple[str, str], Run] = {}
    for root in roots:
        runs = runs_below(root, kinds)
        if not runs:
            infos = ", ".join(kind.info_name for kind in kinds)
            raise InputError(
                f"--runs {root}: no run is in it ({infos}), {DEPTH} folders deep; give a folder "
                f"of {_MAKERS}, or one that holds such folders"
            )
        for run in runs:
            # Two ways to one folder, such as a link to the latest run, are one run.
            place = os.path.realpath(run.folder.path) if run.folder.local else run.folder.uri
            found.setdefault((run.kind, place), run)
    names = Counter((run.kind, run.name) for run in found.values())
    return [
        run if names[run.kind, run.name] == 1 else replace(run, name=run.folder.uri)
        for run in found.values()
    ]


def runs_below(root: str, kinds: Sequence[Kind]) -> list[Run]:
    """The runs at and below a folder, named by their paths below it; none where there are none.

    Raises InputError as `find_runs` does.
    """
    try:
        top = RunFolder(root, "")
        there = bool(top.fs.isdir(top.path))
    except (ImportError, ValueError, OSError) as error:
        raise InputError(f"--runs {root}: cannot be opened ({_line(error)})") from error
    if not there:
        raise InputError(f"--runs {root}: there is no such folder; give one of {_MAKERS}")
    found = []
    for kind, folder in _walk(top, kinds, DEPTH):
        below = folder.path[len(top.path) :].strip("/")
        found.append(Run(kind.name, below or top.path.rsplit("/", 1)[-1], folder))
    return found


def _walk(folder: RunFolder, kinds: Sequence[Kind], depth: int) -> Iterator[tuple[Kind, RunFolder]]:
    """Runs at and below a folder, itself first."""
    try:
        entries = folder.fs.ls(folder.path, detail=True)
    except OSError as error:
        raise InputError(
            f"{folder.uri}: cannot be listed ({_line(error)}); give --runs the runs' own folders"
        ) from error
    names = {entry["name"].rstrip("/").rsplit("/", 1)[-1]: entry for entry in entries}
    if _DATASET in names:
        return
    own: set[str] = set()
    for kind in kinds:
        run = RunFolder(folder.uri, kind.info_name)
        if kind.info_name in names and _is_one(run, kind):
            own = _OWN
            yield kind, run
    inside = [name for name in names if not name.startswith(".") and name not in own]
    # Links last: a run that is found twice keeps the name of its folder.
    for name in sorted(inside, key=lambda n: (bool(names[n].get("islink")), n)):
        link = bool(names[name].get("islink")) and folder.fs.isdir(folder.at(name))
        if depth and (link or names[name]["type"] == "directory"):
            yield from _walk(RunFolder(f"{folder.uri.rstrip('/')}/{name}", ""), kinds, depth - 1)


def _is_one(run: RunFolder, kind: Kind) -> bool:
    """Whether the info file is ours. Raises InputError for a damaged one, or a newer version's."""
    try:
        info = json.loads(run.fs.cat_file(run.at(kind.info_name)))
    except (OSError, ValueError):
        info = run.info()  # says what is wrong
    if not isinstance(info, dict) or kind.key not in info:
        return False
    run.info()
    return True


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
