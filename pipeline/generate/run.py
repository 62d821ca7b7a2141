"""A run of many videos on workers, resumable: what has a row is not made again."""

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

from dawn.credentials.signing import Signer
from manifests.config import stable_hash
from manifests.counting import count
from manifests.errors import InputError
from manifests.runs import RunFolder, item_name
from pipeline.cluster.actors import Workers
from pipeline.cluster.executor import Failure
from pipeline.cluster.shared import sights_of, sights_of_dataset
from pipeline.events import note
from pipeline.generate.items import Item
from pipeline.generate.remaining import remaining
from pipeline.generate.signing import Signing
from pipeline.generate.worker import RunTask, failure, first_row
from pipeline.info_names import GENERATIONS as RUN_INFO
from pipeline.progress import Progress

FIXED = ("system", "checkpoint", "dataset_hash", "split", "list", "settings", "seed", "baseline")
"""What a run folder is about: changing one of these needs another folder."""


@dataclass(slots=True)
class RunSummary:
    """What a run did."""

    counts: Counter[str]
    """ok, failed, already done."""


def generate_run(
    items: list[Item],
    task: RunTask,
    info: dict[str, Any],
    workers: Workers,
    *,
    retry: bool = False,
    signer: Signer | None = None,
) -> RunSummary:
    """Make what the run folder does not hold yet; longest first, so that workers end together.
    With a `signer` each video is signed here once it is made, also those of before.

    Items never raise: they end as rows. Raises InputError when the folder is another run's or
    is being written to, OSError when the disk is full.
    """
    folder = RunFolder(task.root, RUN_INFO)
    with folder.writing(), sights_of(folder) as sights:
        folder.ensure(info, FIXED)
        note("writing", folder=folder.uri)
        workers.expect((*sights, *sights_of_dataset(task.dataset)))
        todo = remaining(items, folder, retry=retry)
        weights = {item.name: max(1, item.frames) for item in todo}
        progress = Progress("generate", sum(weights.values()), items=len(items))
        done = progress.counts["already done"] = len(items) - len(todo)
        note("finished", level=logging.DEBUG, outcome="already done", items=done)
        made: list[Item] = []
        signing = Signing(folder, task, signer) if signer else None
        with progress:
            if signing:
                signing.sign_those_of_before()
            for item, outcome in workers.results(todo):
                status = _ended(folder, task, item, outcome)
                made += [item] if status == "ok" else []
                if signing and status == "ok":
                    signing.sign(item.name)
                _note_end(folder, item, status)
                progress.count(status, weights[item.name])
        _require_there(folder, made)
    return RunSummary(progress.counts)


def _ended(folder: RunFolder, task: RunTask, item: Item, outcome: Any) -> str:  # noqa: ANN401
    """The item's status; writes the row of one whose worker could not."""
    if not isinstance(outcome, Failure):
        return str(outcome)
    if outcome.kind == "node":
        raise InputError(f"{item.name}: {outcome.detail}")
    reason = {"timeout": "timeout", "crash": "worker_crashed", "error": "internal_error"}
    row = first_row(task, item) | failure(reason[outcome.kind], outcome.detail)
    folder.write("generations", item.name, [row])
    return "failed"


def _note_end(folder: RunFolder, item: Item, status: str) -> None:
    """Tell how an item ended, and of one that failed why."""
    if status == "ok":
        note("finished", outcome=status, item=item.name, clips=1)
        return
    (row,) = folder.read_item("generations", item.name).to_pylist()
    said = {"reason": row["reason"], "detail": row["detail"]}
    note("finished", level=logging.WARNING, outcome=status, item=item.name, **said)


def _require_there(folder: RunFolder, made: list[Item]) -> None:
    """See that what workers say they made can be read here. Raises InputError."""
    rows = {part.rsplit("/", 1)[-1] for part in folder.parts("generations")}
    videos = folder.names("videos")
    names = {item.name: item_name(item.name) for item in made}
    lost = [i for i, n in names.items() if f"{n}.parquet" not in rows or f"{n}.mp4" not in videos]
    if lost:
        raise InputError(
            f"{folder.uri}: {len(lost)} of {count(len(made), 'video')} that workers made cannot be "
            f"found there, such as {lost[0]}; give a folder that all nodes share, or an s3:// "
            "address"
        )


def run_info(task: RunTask, settings: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """What `run.json` says."""
    return {
        "run": task.run,
        "system": task.system,
        "checkpoint": task.digest,
        "checkpoint_path": task.checkpoint,
        "networks": task.networks,
        "dataset": task.dataset,
        "dataset_hash": task.dataset_hash,
        "baseline": task.baseline,
        "settings": settings,
        "settings_hash": stable_hash(settings),
        "seed": task.seed,
        "device": task.device,
        "split": None,
        "list": None,
        **more,
    }
