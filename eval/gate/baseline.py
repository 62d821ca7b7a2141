"""The baseline as a file: which results are the ones to hold, how they came to be, since when.

A small JSON that a repository keeps, so that moving the baseline is a commit like any other. It
names a results folder by its path or URI and by a fingerprint: a folder that was changed since it
was accepted is no baseline any more.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.results.scores import Results, load_results
from eval.results.stored import INFO
from manifests.atomic_write import write_whole
from manifests.config import stable_hash
from manifests.errors import InputError
from manifests.location import Where, exists, is_uri, where_of
from manifests.runs import RunFolder
from manifests.staging import at_hand

FORMAT = 1


class NoBaselineError(InputError):
    """There is no baseline to compare with, or it is not what was accepted."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """The file's content."""

    results: str
    fingerprint: str
    history: list[dict[str, Any]]
    """One entry for each time it was moved, oldest first."""


def fingerprint(results: Results) -> str:
    """Of what a results folder says: every number of the set with its conditions."""
    keys = ("system", "protocol_hash", "clip_list_hash", "dataset_hash", "checkpoint")
    rows = results.set_rows.items()
    numbers = {name: [row["value"], row["conditions_hash"]] for name, row in rows}
    return stable_hash({key: results.info.get(key) for key in keys} | {"numbers": numbers})


def is_pointer(where: str) -> bool:
    """Whether a baseline is given as a file and not as a results folder."""
    return where.endswith(".json")


def read_pointer(file: Where) -> Pointer:
    """Raises NoBaselineError when there is none, InputError when it is none of ours."""
    try:
        with at_hand(file) as here:
            content = json.loads(here.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoBaselineError(
            f"{file}: there is no baseline yet; `dawn regress accept` makes one"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error}); restore it") from error
    try:
        if int(content["format"]) > FORMAT:
            raise InputError(f"{file}: was made by a newer version; install it")
        return Pointer(
            str(content["results"]), str(content["fingerprint"]), list(content["history"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: is no baseline file ({error}); restore it") from error


def load_baseline(where: str) -> Results:
    """The results of a baseline file or folder. Raises NoBaselineError."""
    if not is_pointer(where):
        if not RunFolder(where, INFO).exists:
            raise NoBaselineError(f"{where}: holds no results; give a folder of `dawn evaluate`")
        return load_results(where)
    pointer = read_pointer(where_of(where))
    found = resolve(where_of(where), pointer.results)
    if not RunFolder(found, INFO).exists:
        raise NoBaselineError(f"{where}: its results are gone: {found}")
    results = load_results(found)
    if fingerprint(results) != pointer.fingerprint:
        raise NoBaselineError(
            f"{where}: {found} is not what was accepted; evaluate again, then accept it"
        )
    return results


def resolve(file: Where, results: str) -> str:
    """Paths in the file are relative to it; URIs are as they are."""
    if is_uri(results) or Path(results).is_absolute():
        return results
    if isinstance(file, str):
        return f"{file.rpartition('/')[0]}/{results}"
    return str(file.absolute().parent / results)


def move(file: Where, results: Results, entry: Mapping[str, Any]) -> None:
    """Point the file to other results and add `entry` to its history; whole or not at all."""
    history = read_pointer(file).history if exists(file) else []
    now = {"results": _relative(file, results.folder), "fingerprint": fingerprint(results)}
    content = {"format": FORMAT, **now, "history": [*history, {**entry, **now}]}
    write_whole(file, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _relative(file: Where, folder: RunFolder) -> str:
    """Relative where the results lie beside or below the file, so that both can be moved."""
    if isinstance(file, str) or not folder.local:
        beside = f"{str(file).rpartition('/')[0]}/"
        return folder.uri.removeprefix(beside) if isinstance(file, str) else folder.uri
    path, parent = Path(folder.path).absolute(), file.absolute().parent
    return str(path.relative_to(parent)) if path.is_relative_to(parent) else str(path)
