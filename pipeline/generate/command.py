"""Runs over a split or a list: what to make, on which workers, and what to say of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawn.checkpoints import at_hand
from dawn.credentials.signing import Signer
from dawn.device import pick_device
from dawn.sampling.baselines import BASELINES, Baseline
from dawn.sampling.conventions import conventions_of
from dawn.sampling.model import find_lfg, find_model, verify_model
from dawn.sampling.provenance import settings_of, with_window
from dawn.sampling.settings import GenerateConfig
from dawn.weights import require
from manifests.config import stable_hash
from manifests.counting import count
from manifests.errors import InputError
from manifests.location import Where, location, where_of
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.actors import Later, OnActors, Workers
from pipeline.cluster.start import check_workers
from pipeline.cluster.tasks import OnRay
from pipeline.generate.clips import audio_kind
from pipeline.generate.items import Item, clip_items, list_items
from pipeline.generate.run import RunSummary, generate_run, run_info
from pipeline.generate.worker import Maker, RunTask
from pipeline.info_names import GENERATIONS as RUN_INFO
from pipeline.progress import console
from pipeline.run_log import logged


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyOptions:
    """The flags of `dawn generate` for runs over many."""

    config: GenerateConfig
    checkpoint: Where | None
    out: str
    dataset: str | None = None
    split: str = "test"
    list_: Where | None = None
    baseline: str | None = None
    system: str | None = None
    workers: int | None = None
    address: str | None = None
    limit: int | None = None
    timeout_s: float = 3600.0
    retry: bool = False
    seed: int = 0
    max_seconds: float | None = None
    device: str = "auto"
    signer: Signer | None = None
    """Signs each video, in this process: its key never travels to workers."""
    gpus_per_worker: float = 0.5
    """While one worker encodes, the other's network runs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before anything is started: its items, what they share, and what `run.json` says."""

    items: list[Item]
    task: RunTask
    info: dict[str, Any]


def generate_many(options: ManyOptions, workers: Workers | None = None) -> RunSummary:
    """Make the videos of a split or a list, then say what there is and what to run next.

    `workers` are started from the options where none are given. Raises InputError.
    """
    check_workers(options.workers, options.address)
    plan = plan_run(options)
    console.print(f"{count(len(plan.items), 'video')} to make into {plan.task.root}", markup=False)
    started = workers or Later(lambda jobs: start_workers(options, plan.task, jobs))
    task, retry, signer = plan.task, options.retry, options.signer
    with logged("generate", task.root, address=options.address, config=task.settings_hash):
        try:
            summary = generate_run(plan.items, task, plan.info, started, retry=retry, signer=signer)
        finally:
            started.close()
    _report(plan, summary)
    return summary


def plan_run(options: ManyOptions) -> Plan:
    """Find and check everything that can be checked before Ray is started. Raises InputError."""
    baseline = _baseline(options)
    dataset = Dataset(options.dataset) if options.dataset else None
    items = (
        clip_items(dataset, options.split) if dataset else list_items(where_of(str(options.list_)))
    )
    config, digest, folder = options.config, None, None
    networks: dict[str, str] = {}
    if baseline is None:
        if options.checkpoint is None:
            raise InputError("--checkpoint: give the folder of a model, or --baseline static")
        folder = find_model(at_hand(options.checkpoint))
        verify_model(folder)
        digest, config = folder.digest, with_window(config, folder)
        networks = folder.networks
        kind = conventions_of(folder.a2v.card).audio
        if kind == "hubert" and (dataset is None or audio_kind(dataset) != "hubert"):
            require("hubert_large")
    elif options.checkpoint is not None:
        card = find_lfg(at_hand(options.checkpoint)).card
        digest, networks = card.sha256[:16], {card.name: card.sha256}
    elif baseline != "static":
        raise InputError(f"--baseline {baseline}: needs --checkpoint, for its LFG")
    if dataset is None and "real" in (config.pose, config.blink):
        raise InputError("--pose real and --blink real go with --dataset")
    settings = settings_of(config, folder, options.max_seconds) if folder else {
        "max_seconds": options.max_seconds
    }  # fmt: skip
    out = RunFolder(options.out, RUN_INFO)
    task = RunTask(
        root=out.uri,
        run=out.path.rsplit("/", 1)[-1],
        system=options.system or baseline or "dawn",
        config=config,
        settings_hash=stable_hash(settings),
        seed=options.seed,
        device=str(pick_device(options.device)),
        checkpoint=location(options.checkpoint) if options.checkpoint else None,
        digest=digest,
        dataset=dataset.uri if dataset else None,
        dataset_hash=str(dataset.info()["recipe_hash"]) if dataset else None,
        max_seconds=options.max_seconds,
        baseline=baseline,
        networks=networks,
    )
    info = run_info(
        task, settings,
        split=options.split if dataset else None,
        list=location(options.list_) if options.list_ else None,
    )  # fmt: skip
    _refuse_foreign(out)
    return Plan(items[: options.limit], task, info)


def start_workers(options: ManyOptions, task: RunTask, jobs: int) -> OnActors:
    """Workers on this machine's Ray or the cluster's for so many jobs, each with the model."""
    ray = OnRay(options.workers, options.address, options.timeout_s)
    try:
        return OnActors(
            ray, Maker, task, jobs=jobs, timeout_s=options.timeout_s,
            gpus=options.gpus_per_worker if task.device.startswith("cuda") else 0,
        )  # fmt: skip
    except InputError:
        ray.close()
        raise


def _baseline(options: ManyOptions) -> Baseline | None:
    if options.baseline is None:
        return None
    for known in BASELINES:
        if options.baseline == known:
            if options.dataset is None:
                raise InputError("--baseline goes with --dataset")
            return known
    raise InputError(f"--baseline {options.baseline}: give one of {', '.join(BASELINES)}")


def _refuse_foreign(out: RunFolder) -> None:
    """Raise InputError where --out is a file, or a folder of something else."""
    if not out.local or out.exists or not Path(out.path).exists():
        return
    if not Path(out.path).is_dir():
        raise InputError(f"{out.path}: is a file; --out needs a folder for a run")
    if any(not entry.name.startswith(".") for entry in Path(out.path).iterdir()):
        raise InputError(f"{out.path}: is not empty; give --out a new or empty folder")


def _report(plan: Plan, summary: RunSummary) -> None:
    counts = ", ".join(f"{n} {name}" for name, n in sorted(summary.counts.items()) if n)
    console.print(f"done: {counts or 'nothing to do'}", markup=False)
    folder = RunFolder(plan.task.root, RUN_INFO)
    columns = ["item", "status", "reason", "detail", "signed_by"]
    rows = folder.read("generations", columns).to_pylist()
    failed = [row for row in rows if row["status"] != "ok"]
    if signed := sum(row["signed_by"] is not None for row in rows):
        videos = count(len(rows) - len(failed), "video")
        console.print(f"{signed} of {videos} carry content credentials", markup=False)
    for row in failed[:20]:
        console.print(f"  {row['item']}: {row['detail']} [{row['reason']}]", markup=False)
    if len(failed) > 20:
        console.print(f"  and {len(failed) - 20} more", markup=False)
    root, name = plan.task.root, plan.task.run
    if plan.task.dataset is None:
        console.print(f"next: look at {root}/videos, or query {root}/generations", markup=False)
        return
    reference = f"{plan.task.dataset}:{plan.info['split']}"
    console.print(
        f"next: dawn evaluate --run {root} --reference {reference} --out results/{name}",
        markup=False,
    )
