"""A run of many videos on workers, resumable: what has a row is not made again."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from manifests.config import stable_hash
from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.cluster.actors import Workers
from pipeline.cluster.tasks import Failure
from pipeline.generate.items import Item
from pipeline.generate.remaining import remaining
from pipeline.generate.worker import RUN_INFO, RunTask, failure, first_row
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
) -> RunSummary:
    """Make what the run folder does not hold yet; longest first, so that workers end together.

    Items never raise: they end as rows. Raises InputError when the folder is another run's or
    is being written to, OSError when the disk is full.
    """
    folder = RunFolder(task.root, RUN_INFO)
    with folder.writing():
        folder.ensure(info, FIXED)
        todo = remaining(items, folder, retry=retry)
        weights = {item.name: max(1, item.frames) for item in todo}
        progress = Progress("generate", sum(weights.values()), items=len(items))
        progress.counts["already done"] = len(items) - len(todo)
        with progress:
            for item, outcome in workers.results(todo):
                progress.count(_ended(folder, task, item, outcome), weights[item.name])
    return RunSummary(progress.counts)


def _ended(folder: RunFolder, task: RunTask, item: Item, outcome: Any) -> str:  # noqa: ANN401
    """The item's status; writes the row of one whose worker could not."""
    if not isinstance(outcome, Failure):
        return str(outcome)
    if outcome.kind == "error" and "No space left" in outcome.detail:
        raise InputError(f"{folder.uri}: no space left on the disk; free some, then run it again")
    reason = {"timeout": "timeout", "crash": "worker_crashed", "error": "internal_error"}
    row = first_row(task, item) | failure(reason[outcome.kind], outcome.detail)
    folder.write("generations", item.name, [row])
    return "failed"


def run_info(task: RunTask, settings: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """What `run.json` says."""
    return {
        "run": task.run,
        "system": task.system,
        "checkpoint": task.digest,
        "checkpoint_path": task.checkpoint,
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
