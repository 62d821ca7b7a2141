"""Training on Ray Train: workers that run `dawn.training.loop`, and a board that tells how far."""

import logging
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from dawn.training.clips import ClipError, clip_list
from dawn.training.loop import Trainer
from dawn.training.record import METRICS
from dawn.training.state import Checkpoints
from dawn.training.step import Place
from dawn.training.task import TrainingTask
from manifests.errors import FULL, InputError, is_full
from manifests.parquet import write_parquet
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.faults import living_nodes
from pipeline.cluster.notes import note_nodes
from pipeline.cluster.shared import Sight, check_nodes, see, sights_of, sights_of_dataset
from pipeline.cluster.start import join_or_start
from pipeline.cluster.tasks import prepare_worker
from pipeline.events import note
from pipeline.info_names import CLIPS
from pipeline.info_names import TRAINING as INFO
from pipeline.train.board import NewsBoard
from pipeline.train.news import TrainingNews
from pipeline.train.report import Report, ReportPart

_MAX_RESTARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a run may use. No `workers`: this process, without Ray."""

    workers: int = 0
    max_workers: int | None = None
    """As many as the cluster has, up to so many; more or fewer begin at the last checkpoint."""
    gpus_per_worker: float = 0.0
    address: str | None = None


def train(
    task: TrainingTask, resources: Resources, *, resume: bool, report: Report | None = None
) -> RunFolder:
    """Train to the last step, or go on from the last checkpoint; returns the run's folder. The
    report, of this run alone where none is given, is written at each validation.

    Raises InputError when the folder is another run's folder, the cluster is too small, or the run
    cannot go on (the loss is no number, too many clips cannot be read, the disk is full).
    """
    run = RunFolder(task.out, INFO)
    page = report or Report(run, [ReportPart(task.stage, run, task.config.run.steps)])
    with run.writing(), sights_of(run) as sights:
        step = _adopt(run, task, resume)
        note(
            "writing", folder=run.uri, stage=task.stage, config=task.hash, step=step,
            steps=task.config.run.steps,
        )  # fmt: skip
        if step < task.config.run.steps:
            news = TrainingNews(task, step)

            def show(one: dict[str, Any]) -> None:
                news.show(one)
                _note(task.stage, one)
                if "val" in one:
                    page.write()

            with news.progress:
                if resources.workers:
                    _on_ray(task, resources, show, (*sights, *sights_of_dataset(task.dataset)))
                else:
                    _here(task, show)
        Checkpoints(run).finish(task.stage)
        page.write()
    return run


def _note(stage: str, news: dict[str, Any]) -> None:
    """Tell of warnings, and of what validation found."""
    if "warning" in news:
        note("warning", level=logging.WARNING, stage=stage, detail=news["warning"])
    elif "val" in news:
        note("validated", stage=stage, step=news["step"], values=news["val"])


def _here(task: TrainingTask, show: Callable[[dict[str, Any]], None]) -> None:
    """As one worker does it: on one thread, so that sums do not depend on the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        Trainer(task, show).run()
    finally:
        torch.set_num_threads(threads)


def _adopt(run: RunFolder, task: TrainingTask, resume: bool) -> int:
    """Begin the folder, or see that it holds this very run; returns the step to go on from."""
    info = {
        "run": f"{task.stage}-{task.hash[:8]}", "recipe": task.recipe(), "recipe_hash": task.hash,
        "dataset": task.dataset, "lfg": task.lfg, "init": task.init,
    }  # fmt: skip
    checkpoints = Checkpoints(run)
    step = (checkpoints.steps() or [0])[-1]
    if run.exists and not step and not checkpoints.handed_on(task.stage):
        _clear(run)
    elif run.exists and not resume:
        at = f", at step {step} of {task.config.run.steps}" if step else ""
        raise InputError(
            f"{run.uri}: holds a run already{at}; add --resume to the same command to go on, "
            "or give another --out"
        )
    run.ensure(info, fixed=["recipe"])
    if not run.fs.exists(run.at(CLIPS)):
        with run.scratch() as scratch:
            write_parquet(scratch / CLIPS, clip_list(Dataset(task.dataset)))
            run.publish(scratch / CLIPS, CLIPS)
    return step


def _clear(run: RunFolder) -> None:
    """Remove what an attempt left that ended before its first checkpoint: nothing is lost."""
    if "recipe_hash" not in run.info():
        raise InputError(f"{run.uri}: its {INFO} is of something else; give another --out")
    for name in ("pictures", "tensorboard", METRICS, CLIPS, INFO):
        if run.fs.exists(run.at(name)):
            run.fs.rm(run.at(name), recursive=True)


# --- Ray Train ------------------------------------------------------------------------------------


def _on_ray(
    task: TrainingTask,
    resources: Resources,
    show: Callable[[dict[str, Any]], None],
    sights: tuple[Sight, ...],
) -> None:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    workers, gpus = resources.workers, resources.gpus_per_worker
    counts = _counts(resources, task.config.run.batch, task.config.run.accumulate)
    started = join_or_start(resources.address, None)
    try:
        note_nodes("node_joined", living_nodes())
        _check_cluster(workers, gpus)
        if not started:
            check_nodes(sights)
        logging.getLogger("ray.train").setLevel(logging.ERROR)
        board = ray.remote(NewsBoard).options(num_cpus=0).remote()
        watcher = _Watcher(board, show)
        with tempfile.TemporaryDirectory(prefix="dawn-ray-") as storage, watcher:
            trainer = TorchTrainer(
                _work,
                train_loop_config={"task": task, "board": board, "sights": sights},
                scaling_config=ScalingConfig(
                    num_workers=workers if len(counts) == 1 else (workers, counts[-1]),
                    use_gpu=gpus > 0,
                    resources_per_worker={"CPU": 1, **({"GPU": gpus} if gpus else {})},
                ),
                run_config=RunConfig(
                    name=f"{task.stage}-{task.hash[:8]}",
                    storage_path=storage,
                    failure_config=FailureConfig(max_failures=_MAX_RESTARTS),
                ),
            )
            try:
                trainer.fit()
            except ray.train.TrainingFailedError as error:
                fatal = ray.get(board.fatal.remote())
                reason = str(error).strip().splitlines()[-1]
                raise InputError(
                    fatal
                    or f"{task.out}: workers failed {_MAX_RESTARTS + 1} times ({reason}); "
                    "the last checkpoint is kept"
                ) from error
        fatal = ray.get(board.fatal.remote())
        if fatal:
            raise InputError(fatal)
    finally:
        if started:
            ray.shutdown()


def _counts(resources: Resources, batch: int, parts: int) -> range:
    """The numbers of workers there may be. Raises InputError for one that cannot share a batch."""
    workers, most = resources.workers, resources.max_workers or resources.workers
    if most < workers:
        raise InputError(f"--max-workers {most}: is less than --workers {workers}")
    for count in range(workers, most + 1):
        if batch % (count * parts):
            named = "--workers" if count == workers else f"--max-workers {most}: --workers"
            raise InputError(
                f"{named} {count}: a batch of {batch} in {parts} parts cannot be shared equally; "
                "change --set run.batch"
            )
    return range(workers, most + 1)


def _check_cluster(workers: int, gpus: float) -> None:
    """Refuse at once what the cluster cannot give; Ray itself would wait without a word."""
    import ray

    there = ray.cluster_resources()
    for kind, wanted in (("CPU", float(workers)), ("GPU", workers * gpus)):
        if wanted > there.get(kind, 0):
            raise InputError(
                f"--workers {workers}: needs {wanted:g} {kind}s, the cluster has "
                f"{there.get(kind, 0):g}; ask for fewer, or join a larger one with --address"
            )


def _work(config: dict[str, Any]) -> None:
    """A worker's part. What no restart can mend is posted, and the run ends."""
    import ray
    import ray.train
    import ray.train.torch

    prepare_worker()
    board = config["board"]
    if ray.get(board.fatal.remote()):
        return
    context = ray.train.get_context()
    device = str(ray.train.torch.get_device())
    if device == "cpu":
        torch.set_num_threads(1)
    place = Place(context.get_world_rank(), context.get_world_size(), device)
    try:
        see(config["sights"])
        Trainer(config["task"], lambda news: board.post.remote(news), place).run()
    except (InputError, ClipError) as error:
        ray.get(board.post.remote({"fatal": str(error)}))
        raise
    except OSError as error:
        if not is_full(error):
            raise
        full = f"{FULL}; the last checkpoint is whole, make room and --resume"
        ray.get(board.post.remote({"fatal": f"{config['task'].out}: {full}"}))
        raise


class _Watcher:
    """Reads the board in a thread while `fit` blocks."""

    def __init__(self, board: Any, show: Callable[[dict[str, Any]], None]) -> None:  # noqa: ANN401
        self._board, self._show = board, show
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _watch(self) -> None:
        import ray

        last, asked = False, None
        while not last:
            last = self._stop.wait(0.5)
            asked = asked or self._board.take.remote()
            try:
                news = ray.get(asked, timeout=30)
            except ray.exceptions.GetTimeoutError:
                continue  # a busy machine: the answer is still to come
            except ray.exceptions.RayError:
                return
            asked = None
            for one in news:
                self._show(one)


# --- all three stages -----------------------------------------------------------------------------


def hand_over(source: RunFolder, stage: str, target: RunFolder) -> str:
    """Copy a run's best network to TARGET/model/STAGE; returns that folder."""
    with target.scratch() as scratch:
        for suffix in ("safetensors", "json"):
            part = scratch / f"{stage}.{suffix}"
            source.fs.get_file(source.at(f"model/{stage}/{part.name}"), str(part))
            target.publish(part, f"model/{stage}/{part.name}")
    return f"{target.uri}/model/{stage}"
