"""`dawn eval-checkpoint`: generates, evaluates and judges; each part goes on where it was."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dawn.sampling.settings import GenerateConfig
from eval.gate.baseline import NoBaselineError, load_baseline
from eval.gate.margins import Gate, read_gate
from eval.metrics.catalogue import names as known_metrics
from eval.protocol.card import ProtocolCard
from eval.results.comparable import other_clips
from eval.results.conditions import Conditions, described, differing
from eval.results.scores import Results
from manifests.config import load
from manifests.location import Where, location, name_of
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.actors import Workers
from pipeline.cluster.executor import Executor
from pipeline.evaluate.command import EvaluateOptions, run_evaluate, wanted_metrics
from pipeline.evaluate.gate import RegressOptions, check_reports, refuse, run_regress
from pipeline.evaluate.inputs import reference_name
from pipeline.evaluate.run import check_conditions, results_folder
from pipeline.generate.command import ManyOptions, generate_many
from pipeline.generate.items import clip_items
from pipeline.info_names import GENERATIONS as RUN_INFO
from pipeline.progress import console


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointOptions:
    """The command's flags."""

    checkpoint: Where
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
    report_folder: Where | None = None
    inconclusive: int = 1
    workers: int | None = None
    address: str | None = None
    device: str = "auto"
    gpus_per_worker: float | None = None


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
        folder = f"{options.out}/regression"
    check_reports(options.reports, folder)
    gate = read_gate(options.gate)
    try:
        baseline = load_baseline(options.baseline)
    except NoBaselineError as error:
        return refuse([str(error)])
    evaluation = _evaluation(options, baseline)
    reasons = _refusals(options, evaluation, baseline, gate)
    if reasons:
        return refuse([f"{options.baseline}: {reason}" for reason in reasons])
    generation = _generation(options)
    console.print(f"1 of 3: generate into {generation.out}", markup=False)
    generate_many(generation, makers(generation) if makers else None)
    console.print(f"2 of 3: evaluate into {evaluation.out}", markup=False)
    run_evaluate(evaluation, executor)
    console.print("3 of 3: compare with the baseline")
    return run_regress(
        RegressOptions(
            baseline=options.baseline,
            candidate=evaluation.out,
            gate=options.gate,
            reports=options.reports,
            out=folder if options.reports else None,
            inconclusive=options.inconclusive,
        )
    )


def _generation(options: CheckpointOptions) -> ManyOptions:
    settings = {} if options.steps is None else {"steps": options.steps}
    return ManyOptions(
        config=load(GenerateConfig, settings, "dawn eval-checkpoint"),
        checkpoint=options.checkpoint,
        out=f"{options.out}/run",
        dataset=options.dataset,
        split=options.split,
        system=options.system or name_of(location(options.checkpoint)),
        workers=options.workers,
        address=options.address,
        limit=options.limit,
        max_seconds=options.max_seconds,
        seed=options.seed,
        device=options.device,
    )


def _evaluation(options: CheckpointOptions, baseline: Results) -> EvaluateOptions:
    """Under the baseline's card, with its metrics."""
    known = [name for name in known_metrics() if name in baseline.info["metrics"]]
    return EvaluateOptions(
        reference=f"{options.dataset}:{options.split}",
        out=f"{options.out}/results",
        run=f"{options.out}/run",
        metrics=options.metrics or ",".join(known),
        card=load(ProtocolCard, baseline.protocol["card"], options.baseline),
        address=options.address,
        workers=options.workers,
        device=options.device,
        gpus_per_worker=options.gpus_per_worker,
    )


def _refusals(
    options: CheckpointOptions, evaluation: EvaluateOptions, baseline: Results, gate: Gate
) -> list[str]:
    """Why the results could not be held against the baseline, told before there are any. Raises
    InputError where they could not be written.
    """
    found = []
    data = str(Dataset(options.dataset).info()["recipe_hash"])
    if data != baseline.info.get("dataset_hash"):
        found.append(f"dataset {baseline.info.get('dataset_hash') or '(none)'} -> {data}")
    if not baseline.info.get("same_take"):
        found.append("it pairs each video with any real clip, a checkpoint's with its own")
    found += other_clips(baseline.clip_ids, _clips(options)) if not found else []
    return found + _other_metrics(evaluation, baseline, gate)


def _clips(options: CheckpointOptions) -> set[str]:
    """Clips that will be evaluated: those to be made, and what the run has of earlier calls."""
    names = [item.name for item in clip_items(Dataset(options.dataset), options.split)]
    run = RunFolder(f"{options.out}/run", RUN_INFO)
    made = run.read("generations", ["clip_id"])["clip_id"].to_pylist() if run.exists else []
    return set(names[: options.limit]) | (set(made) & set(names))


def _other_metrics(evaluation: EvaluateOptions, baseline: Results, gate: Gate) -> list[str]:
    """Why no metric of the gate could be compared; what else could not is said and no reason."""
    card = evaluation.card
    if card is None:
        raise AssertionError("an evaluation by its baseline has the baseline's card")
    wanted = wanted_metrics(evaluation.metrics, card)
    conditions, folder = Conditions.resolve(card), results_folder(evaluation.out)
    check_conditions(conditions, wanted, folder)
    if folder.exists:
        folder.ensure({"reference": reference_name(evaluation.reference)}, ["reference"])
    before = baseline.protocol["metrics"]
    asked = before.keys() & {entry.metric for entry in gate.gates}
    lost = {name: s.reason for name, s in conditions.standings(wanted).items() if s.hash is None}
    other = differing(before, conditions.as_dict(set(wanted) - lost.keys())["metrics"])
    lost |= dict.fromkeys(asked - set(wanted), "is not among --metrics")
    lines = described(other) + [f"{name}: {lost[name]}" for name in sorted(asked & lost.keys())]
    if asked and asked <= other.keys() | lost.keys():
        return lines
    for line in lines:
        console.print(f"will not be compared: {line}", markup=False)
    return []
