"""Which runs made use of some clips: of training, generation and evaluation, as far as they lie
where is looked.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from dawn.training.clips import content_of
from manifests.counting import count
from manifests.errors import InputError
from manifests.location import is_uri
from manifests.parquet import read_parquet
from manifests.run_search import Run, runs_below
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.info_names import CLIPS
from pipeline.query import conventions

_PER_CLIP = {"generations": ("generations", "made videos of"), "results": ("clips", "measured")}
"""Kind of run -> its table that names clips, and what it did with them."""


@dataclass(frozen=True, slots=True)
class Use:
    """A run that used the dataset, or certain clips of it."""

    kind: str
    folder: str
    how: str
    """For people, in a few words."""


def uses_of(dataset: Dataset, clips: frozenset[str], folders: Iterable[str]) -> list[Use]:
    """The runs in these folders that used the clips, or may have: training of older versions
    names its dataset and a hash of all clips, all else names each clip.

    Raises InputError for a folder that is none, or that holds a damaged run.
    """
    found: dict[tuple[str, str], Run] = {}
    for folder in folders:
        for run in runs_below(folder, conventions().kinds):
            place = os.path.realpath(run.folder.path) if run.folder.local else run.folder.uri
            found.setdefault((run.kind, place), run)
    runs = [found[key] for key in sorted(found)]
    uses = _trained(dataset, clips, [run.folder for run in runs if run.kind == "training"])
    for run in runs:
        if run.kind in _PER_CLIP and (number := _rows_of(run, clips)):
            did = _PER_CLIP[run.kind][1]
            uses.append(Use(run.kind, run.folder.uri, f"{did} {count(number, 'clip')} of them"))
    return uses


def learnt_clips(run: RunFolder) -> frozenset[str] | None:
    """The clips that a run of training was given; None where an older version did not say."""
    if not run.fs.exists(run.at(CLIPS)):
        return None
    try:
        with run.fs.open(run.at(CLIPS), "rb") as file:
            return frozenset(read_parquet(file, ["clip_id"])["clip_id"].to_pylist())
    except pa.ArrowException as error:
        raise InputError(f"{run.uri}/{CLIPS}: cannot be read ({error})") from error


def _trained(dataset: Dataset, clips: frozenset[str], runs: list[RunFolder]) -> list[Use]:
    """Training on the clips, and training that began from a network of such a run."""
    if not runs:
        return []
    content, place = content_of(dataset), _place(dataset.uri)
    uses: list[Use] = []
    networks: dict[str, str] = {}
    """SHA-256 -> the run whose network it is."""
    waiting = {run.uri: run for run in runs}
    while True:
        found = {}
        for uri, run in waiting.items():
            info = run.info()
            recipe = info.get("recipe") or {}
            begun_from = (str(recipe.get(f"{name}_sha256")) for name in ("lfg", "init"))
            base = next((networks[digest] for digest in begun_from if digest in networks), None)
            given = learnt_clips(run)
            if given is not None and (number := len(given & clips)):
                found[uri] = f"trained on {count(number, 'clip')} of them"
            elif given is None and content and recipe.get("clips") == content:
                found[uri] = "trained on the clips as they are now"
            elif given is None and _place(info.get("dataset")) == place:
                found[uri] = "trained on an earlier state"
            elif base:
                found[uri] = f"builds on a network of {base}"
        if not found:
            return uses
        for uri, how in found.items():
            run = waiting.pop(uri)
            uses.append(Use("training", uri, f"{how}; {_networks(run)}"))
            networks |= dict.fromkeys(_digests(run), uri)


def _networks(run: RunFolder) -> str:
    """What lies in a run of training: checkpoints, and the network that it hands on."""
    from dawn.training.state import Checkpoints  # late: PyTorch, which most forget without

    steps = Checkpoints(run).steps()
    parts = [f"{count(len(steps), 'checkpoint')} in checkpoints/"] if steps else []
    models = [f"model/{name}" for name in _handed_on(run)]
    return ", ".join([*parts, *models]) or "no checkpoint"


def _digests(run: RunFolder) -> list[str]:
    """SHA-256 of the networks that a run hands on."""
    from dawn.checkpoints import read_card  # late: the same
    from dawn.training.state import local_network

    found = []
    for name in _handed_on(run):
        folder = local_network(f"{run.uri}/model/{name}", name)
        found.append(read_card(folder / f"{name}.json").sha256)
    return found


def _handed_on(run: RunFolder) -> list[str]:
    try:
        entries = run.fs.ls(run.at("model"), detail=False, refresh=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = sorted(entry.rstrip("/").rsplit("/", 1)[-1] for entry in entries)
    return [name for name in names if run.fs.exists(run.at(f"model/{name}/{name}.json"))]


def _rows_of(run: Run, clips: frozenset[str]) -> int:
    """How many of the clips a run's table names."""
    try:
        return sum(
            name in clips
            for table in run.folder.batches(_PER_CLIP[run.kind][0], ["clip_id"])
            for name in table["clip_id"].to_pylist()
        )
    except pa.ArrowException as error:
        raise InputError(f"{run.folder.uri}: cannot be read ({error})") from error


def _place(dataset: str | None) -> str | None:
    return dataset if dataset is None or is_uri(dataset) else os.path.realpath(dataset)
