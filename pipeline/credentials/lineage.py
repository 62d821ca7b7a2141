"""`dawn lineage`: clip, consent and licence, dataset, checkpoint, video, number, in one query.

Everything is read from what other commands left: rows of datasets, records of what was forgotten,
the clips that a run of training was given, cards of networks, rows of generation and of results.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import duckdb
import pyarrow as pa

from dawn.features.video.container import open_media
from dawn.training.clips import clip_list, content_of
from eval.results.stored import INFO
from manifests.catalog import own_query
from manifests.config import stable_hash
from manifests.errors import InputError
from manifests.forgotten import read_forgotten
from manifests.location import is_uri
from manifests.reasons import UnreadableVideoError
from manifests.run_catalog import add_runs
from manifests.run_search import Run, runs_below
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.credentials.lineage_sql import LINEAGE, TABLES
from pipeline.credentials.lineage_text import as_text
from pipeline.dataset.uses import learnt_clips
from pipeline.info_names import GENERATIONS, TRAINING
from pipeline.progress import console
from pipeline.query import conventions, write_rows

FORMATS = ("text", "csv", "json")
_VIEWS = ("generations", "clip_results", "metrics")


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked about: a kind of run and its folder, or one video."""

    kind: str
    folder: str
    video: str | None = None
    """Path inside the folder."""
    loose: dict[str, Any] | None = None
    """Of a video that no run's row names: a row in its stead."""


@dataclass(slots=True)
class Known:
    """The query's own tables, in parts."""

    parts: dict[str, list[pa.Table]] = field(
        default_factory=lambda: {name: [one.empty_table()] for name, one in TABLES.items()}
    )

    def add(self, table: str, found: Iterable[dict[str, Any]]) -> None:
        """More rows of a table."""
        self.parts[table].append(pa.Table.from_pylist(list(found), TABLES[table]))

    def add_column(self, table: str, name: str, value: str, column: pa.Table) -> None:
        """More rows, all with one value of `name`."""
        same = pa.repeat(pa.scalar(value, pa.string()), column.num_rows)
        whole = column.append_column(name, same).select(TABLES[table].names)
        self.parts[table].append(whole.cast(TABLES[table]))


def print_lineage(
    target: str, roots: Sequence[str], dataset: str | None, output: str, out: Path | None
) -> None:
    """Print or write the lineage of a video or a run. Raises InputError."""
    if output not in FORMATS:
        raise InputError(f"--format {output}: give one of {', '.join(FORMATS)}")
    found = lineage(target, roots, dataset).to_pylist()
    if output == "text":
        text = "\n".join(as_text(found))
        if out is None:
            console.print(text, markup=False, soft_wrap=True)
        else:
            out.write_text(f"{text}\n", encoding="utf-8")
        return
    table = pa.Table.from_pylist(found)
    if out is None:
        write_rows(table, output, sys.stdout)
    else:
        with out.open("w", newline="", encoding="utf-8") as file:
            write_rows(table, output, file)


def lineage(where: str, roots: Sequence[str], dataset: str | None = None) -> pa.Table:
    """One row a video, or a checkpoint without any; `LINEAGE` tells the columns. Raises InputError
    for a target that is none of ours, and for folders that cannot be read.
    """
    target = _target(where)
    runs = _runs(target, roots, dataset)
    known = _known(target, runs, dataset)
    connection = duckdb.connect()
    add_runs(connection, runs, conventions(), _VIEWS)
    for name, parts in known.parts.items():
        connection.register(name, pa.concat_tables(parts))
    asked = {"kind": target.kind, "folder": target.folder, "video": target.video}
    return connection.sql(LINEAGE, params=asked).to_arrow_table()


def _target(where: str) -> Target:
    """Raises InputError for what is neither a video nor a run of ours."""
    folder = RunFolder(where, "")
    for kind in conventions().kinds:
        if folder.fs.exists(folder.at(kind.info_name)):
            return Target(kind.name, folder.uri)
    if folder.fs.isdir(folder.path):
        raise InputError(
            f"{where}: is no run; give the folder of a training run, a generation run or results, "
            "or a video"
        )
    if not folder.fs.exists(folder.path):
        raise InputError(f"{where}: there is no such file or folder")
    above, name = folder.uri.rsplit("/", 1)
    run, _, last = above.rpartition("/")
    if last == "videos" and RunFolder(run, GENERATIONS).exists:
        return Target("generations", run, f"videos/{name}")
    if not folder.local:
        raise InputError(f"{where}: is of no run; fetch it to look into the file itself")
    return Target("generations", above, name, _loose(Path(where), above, name))


def _loose(path: Path, above: str, name: str) -> dict[str, Any]:
    """A row of a video that lies anywhere, from what is noted in the file."""
    notes: Any = None
    faults = (UnreadableVideoError, av.error.FFmpegError, OSError, ValueError)
    with suppress(*faults), open_media(path) as container:
        notes = json.loads(container.metadata.get("comment", ""))
    if not isinstance(notes, dict) or "generator" not in notes:
        raise InputError(
            f"{path}: does not say what made it; `dawn verify {path} --results RUN` looks for the "
            "video that it was encoded from"
        )
    item, checkpoint = notes.get("item"), notes.get("checkpoint")
    return {
        "folder": above, "video": name,
        "clip_id": item if isinstance(item, str) else None,
        "checkpoint": checkpoint if isinstance(checkpoint, str) else None,
    }  # fmt: skip


def _runs(target: Target, roots: Sequence[str], dataset: str | None) -> list[Run]:
    """The runs at hand, each once; without `roots` those around the target."""
    found: dict[tuple[str, str], Run] = {}
    own = RunFolder(target.folder, "")
    around = [] if roots else _around(target, dataset)
    for root in [*([] if target.loose else [target.folder]), *roots, *around]:
        for run in _below(root, must=root not in around):
            place = os.path.realpath(run.folder.path) if run.folder.local else run.folder.uri
            is_own = own.local and place == os.path.realpath(own.path)
            # rows are found by the name that the user gave
            folder = RunFolder(own.uri, run.folder.info_name) if is_own else run.folder
            found.setdefault((run.kind, place), Run(run.kind, folder.uri, folder))
    return list(found.values())


def _below(root: str, *, must: bool) -> list[Run]:
    """The runs of a folder; where it was not asked for, none of one that cannot be looked into."""
    try:
        return runs_below(root, conventions().kinds)
    except InputError as error:
        if must:
            raise
        console.print(f"not looked at: {error}", markup=False)
        return []


def _around(target: Target, dataset: str | None) -> list[str]:
    """Folders that hold the target, its dataset and its model, as far as they are there."""
    runs = [target.folder, *(_evaluated(target.folder) if target.kind == "results" else [])]
    places = [f"{target.folder}/."] if target.loose else [*runs, dataset]
    for folder in (RunFolder(run, name) for run in runs for name in (GENERATIONS, TRAINING)):
        if folder.exists:
            info = folder.info()
            places += [info.get("dataset"), info.get("checkpoint_path")]
    above = {str(place).rstrip("/").rpartition("/")[0] for place in places if place}
    outer = [one for one in above if not any(one.startswith(f"{o}/") for o in above)]
    return sorted(place for place in outer if place and RunFolder(place, "").fs.isdir(place))


def _evaluated(results: str) -> set[str]:
    """The runs whose videos results are of."""
    found = RunFolder(results, INFO).read("clips", ["video"])["video"].to_pylist()
    return {str(Path(video).parents[1]) for video in found if video and not is_uri(video)}


def _known(target: Target, runs: Sequence[Run], dataset: str | None) -> Known:
    known = Known()
    if target.loose:
        known.add("loose", [target.loose])
    named: set[str | None] = {dataset}
    for run in runs:
        if run.kind in ("generations", "training"):
            named.add(run.folder.info().get("dataset"))
        if run.kind == "generations":
            known.add("checkpoints", _networks_of_generation(run.folder))
    datasets = [one for name in sorted(filter(None, named)) if (one := Dataset(name)).exists]
    for one in datasets:
        known.add_column("known_clips", "dataset", one.uri, own_query(one, _CLIPS))
        known.add("forgotten", _forgotten(one))
    for run in runs:
        if run.kind == "training":
            _add_training(known, run.folder, {one.uri: one for one in datasets})
    return known


_CLIPS = """
SELECT clip_id, speaker, licence,
       list_filter(extra, lambda one: lower(one.name) = 'consent')[1].value AS consent
FROM clips
"""


def _forgotten(dataset: Dataset) -> Iterator[dict[str, Any]]:
    for video, regions in read_forgotten(dataset).items():
        for region in regions:
            yield {"dataset": dataset.uri, "video_id": video, "start": region.start,
                   "stop": region.stop}  # fmt: skip


def _networks_of_generation(run: RunFolder) -> Iterator[dict[str, Any]]:
    """What a run's checkpoint is made of: by its own record, or by the cards of its model."""
    info = run.info()
    digest = info.get("checkpoint")
    if digest is None:
        return
    networks = info.get("networks")
    if not isinstance(networks, dict) or not networks:
        cards = list(_cards(RunFolder(str(info.get("checkpoint_path") or run.uri), "")))
        same = _digest(cards) == digest
        networks = {card["name"]: card["sha256"] for card in cards} if same else {}
    for name, sha256 in networks.items():
        yield {"checkpoint": digest, "network": name, "sha256": sha256}


def _add_training(known: Known, run: RunFolder, datasets: dict[str, Dataset]) -> None:
    """The networks that a run hands on, what they began from, and the clips it was given."""
    info = run.info()
    recipe = info.get("recipe") or {}
    cards = list(_cards(RunFolder(run.at("model") if run.local else f"{run.uri}/model", "")))
    clips = _learnt(run, recipe, datasets.get(str(info.get("dataset"))))
    bases = [recipe[name] for name in ("lfg_sha256", "init_sha256") if recipe.get(name)]
    for card in cards:
        sha256 = card["sha256"]
        known.add("trained", [{
            "sha256": sha256, "run": run.uri, "dataset": info.get("dataset"),
            "listed": clips is not None,
        }])  # fmt: skip
        known.add("bases", [{"sha256": sha256, "base": base} for base in bases])
        # alone it is what baselines call their checkpoint
        known.add("checkpoints", _of_checkpoint(sha256[:16], [card]))
    given = pa.table({"clip_id": pa.array(clips or (), pa.string())})
    known.add_column("learnt", "run", run.uri, given)
    whole = list(_cards(RunFolder(f"{run.uri.rpartition('/')[0]}/model", "")))
    if len(whole) > 1:
        known.add("checkpoints", _of_checkpoint(_digest(whole), whole))


def _of_checkpoint(digest: str, cards: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    for card in cards:
        yield {"checkpoint": digest, "network": card["name"], "sha256": card["sha256"]}


def _learnt(run: RunFolder, recipe: dict[str, Any], dataset: Dataset | None) -> list[str] | None:
    """The clips that a run was given; None where an older version did not record them and the
    dataset has changed since.
    """
    if (given := learnt_clips(run)) is not None:
        return sorted(given)
    if dataset is not None and recipe.get("clips") and recipe["clips"] == content_of(dataset):
        return [str(name) for name in clip_list(dataset)["clip_id"].to_pylist()]
    return None


def _cards(folder: RunFolder) -> Iterator[dict[str, str]]:
    """Name, stage and digest of the networks of a model folder, from their cards alone."""
    places = [f"{folder.path}/*.json", f"{folder.path}/*/*.json"]
    for path in sorted({name for place in places for name in folder.fs.glob(place)}):
        with suppress(ValueError, KeyError, OSError):
            card = json.loads(folder.fs.cat_file(path))
            yield {name: str(card[name]) for name in ("name", "stage", "sha256")}


def _digest(cards: Sequence[dict[str, str]]) -> str:
    """What generation records as the checkpoint; see `dawn.sampling.model.ModelFolder.digest`."""
    return stable_hash(sorted([card["stage"], card["sha256"]] for card in cards))
