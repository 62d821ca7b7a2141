"""`dawn eval-checkpoint`: generates, evaluates and judges; each part goes on where it was."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from dawn.sampling.settings import GenerateConfig
from eval.baseline_file import NoBaselineError, load_baseline
from eval.gate import read_gate
from eval.scores import Results
from manifests.config import load
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.actors import Workers
from pipeline.evaluate_command import EvaluateOptions, run_evaluate
from pipeline.executor import Executor
from pipeline.generate_runs import ManyOptions, generate_many
from pipeline.progress import console, errors
from pipeline.regress import NOT_COMPARABLE, RegressOptions, check_reports, run_regress


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointOptions:
    """The command's flags."""

    checkpoint: Path
    dataset: str
    baseline: str
    out: str
    split: str = "test"
    limit: int | None = None
    max_seconds: float | None = None
    seed: int = 0
    steps: int | None = None
    metrics: str | None = None
    system: str | None = None
    gate: Path | None = None
    reports: tuple[str, ...] = ()
    report_folder: Path | None = None
    inconclusive: int = 1
    workers: int | None = None
    address: str | None = None
    device: str = "auto"


def run_eval_checkpoint(
    options: CheckpointOptions,
    makers: Callable[[ManyOptions], Workers] | None = None,
    executor: Executor | None = None,
) -> int:
    """Returns the exit code of `dawn regress`. Raises InputError.

    Whatever would make the end refuse is looked at first: generation may take hours. Videos are
    made and measured on Ray unless `makers` and an `executor` are given.
    """
    folder = options.report_folder
    if options.reports and folder is None:
        if "://" in options.out:
            raise InputError("--reports: say where on this machine the reports go")
        folder = Path(options.out) / "regression"
    check_reports(options.reports, folder)
    read_gate(options.gate)
    try:
        baseline = load_baseline(options.baseline)
    except NoBaselineError as error:
        errors.print(f"not comparable: {error}", markup=False)
        return NOT_COMPARABLE
    data = str(Dataset(options.dataset).info()["recipe_hash"])
    if data != baseline.info.get("dataset_hash"):
        text = f"dataset {baseline.info.get('dataset_hash') or '(none)'} -> {data}"
        errors.print(f"not comparable: {text}", markup=False)
        return NOT_COMPARABLE
    run, results = f"{options.out}/run", f"{options.out}/results"
    console.print(f"1 of 3: generate into {run}", markup=False)
    system = options.system or options.checkpoint.absolute().name
    generation = _generation(options, run, system)
    generate_many(generation, makers(generation) if makers else None)
    console.print(f"2 of 3: evaluate into {results}", markup=False)
    _evaluate(options, baseline, run, results, executor)
    console.print("3 of 3: compare with the baseline")
    return run_regress(
        RegressOptions(
            baseline=options.baseline,
            candidate=results,
            gate=options.gate,
            reports=options.reports,
            out=folder if options.reports else None,
            inconclusive=options.inconclusive,
        )
    )


def _generation(options: CheckpointOptions, run: str, system: str) -> ManyOptions:
    settings = {} if options.steps is None else {"steps": options.steps}
    return ManyOptions(
        config=load(GenerateConfig, settings, "dawn eval-checkpoint"),
        checkpoint=options.checkpoint,
        out=run,
        dataset=options.dataset,
        split=options.split,
        system=system,
        workers=options.workers,
        address=options.address,
        limit=options.limit,
        max_seconds=options.max_seconds,
        seed=options.seed,
        device=options.device,
    )


def _evaluate(
    options: CheckpointOptions, baseline: Results, run: str, results: str, executor: Executor | None
) -> None:
    """Under the baseline's own conditions, with its metrics."""
    with tempfile.TemporaryDirectory() as scratch:
        protocol = Path(scratch) / "protocol.yaml"
        protocol.write_text(yaml.safe_dump(baseline.info["protocol"]), encoding="utf-8")
        run_evaluate(
            EvaluateOptions(
                reference=f"{options.dataset}:{options.split}",
                out=results,
                run=run,
                metrics=options.metrics or ",".join(baseline.info["metrics"]),
                protocol=str(protocol),
                address=options.address,
                workers=options.workers,
            ),
            executor,
        )
