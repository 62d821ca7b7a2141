"""What is looked at: datasets and runs, by names that say nothing of where they lie."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from manifests.errors import InputError
from manifests.location import Place
from manifests.run_search import Kind, Run, runs_below
from manifests.store import Dataset

_DEPTH = 3
"""Folders below a given one in which datasets are looked for."""
_NOTHING = (
    "is no dataset, run or results, and holds none; give a folder of `dawn ingest`, `dawn train`, "
    "`dawn generate` or `dawn evaluate`, or one that holds such folders"
)


@dataclass(frozen=True, slots=True)
class Library:
    """Datasets and runs by name; a name is unique in its kind, and safe in an address."""

    datasets: dict[str, Dataset] = field(default_factory=dict)
    training: dict[str, Run] = field(default_factory=dict)
    generations: dict[str, Run] = field(default_factory=dict)
    results: dict[str, Run] = field(default_factory=dict)


def find(targets: Iterable[str], kinds: Iterable[Kind]) -> Library:
    """What is at and below these folders. Raises InputError for one that holds nothing known."""
    library = Library()
    kinds = list(kinds)
    for target in targets:
        datasets = _datasets_at(target)
        runs = [] if Dataset(target).exists else _runs_at(target, kinds)
        if not datasets and not runs:
            raise InputError(f"{target}: {_NOTHING}")
        for dataset in datasets:
            _add(library.datasets, dataset.path.rsplit("/", 1)[-1], dataset, dataset.uri)
        for run in runs:
            shelf: dict[str, Run] = getattr(library, run.kind)
            name = _add(shelf, run.name, run, run.folder.uri)
            if name is not None:
                shelf[name] = replace(run, name=name)  # views of SQL call it so, too
    return library


def _datasets_at(target: str) -> list[Dataset]:
    """The dataset that a folder is, or those a few folders below it."""
    dataset = Dataset(target)
    if dataset.exists:
        dataset.info()
        return [dataset]
    place = Place.of(target)
    if not place.fs.isdir(place.path):
        raise InputError(f"{target}: there is no such folder; {_NOTHING.split('; ')[1]}")
    pattern = [f"{place.path}{'/*' * depth}/dataset.json" for depth in range(1, _DEPTH + 1)]
    found = sorted(path for one in pattern for path in place.fs.glob(one))
    below = [Dataset(_uri(place, path.rsplit("/", 1)[0])) for path in found]
    for one in below:
        one.info()
    return below


def _uri(place: Place, path: str) -> str:
    return replace(place, path=path).uri


def _runs_at(target: str, kinds: list[Kind]) -> list[Run]:
    try:
        return runs_below(target, kinds)
    except InputError as error:
        raise InputError(str(error).removeprefix("--runs ")) from error


def _add(shelf: dict[str, Any], name: str, item: Dataset | Run, uri: str) -> str | None:
    """Put it on its shelf under a name of its own; None where it is there already."""
    held = (one.uri if isinstance(one, Dataset) else one.folder.uri for one in shelf.values())
    if uri in held:
        return None
    base = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "unnamed"
    names = [base, *(f"{base}-{number}" for number in range(2, len(shelf) + 3))]
    free = next(one for one in names if one not in shelf)
    shelf[free] = item
    return free
