"""What `dawn evaluate` prints and decides around the evaluation itself."""

import datetime
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from eval.metrics.catalogue import METRICS, select
from eval.protocol.card import ProtocolCard, read_card
from eval.report.numbers import number
from eval.results.conditions import Conditions
from eval.results.pairing import BASELINES, Generated, Reference, baseline, match
from eval.results.stored import SET
from manifests.counting import count
from manifests.errors import InputError
from manifests.location import Where, location, name_of
from manifests.names import normalised
from manifests.runs import RunFolder
from pipeline.cluster.devices import check_device, told
from pipeline.cluster.executor import Executor, OnDemand
from pipeline.cluster.start import check_workers
from pipeline.cluster.tasks import OnRay
from pipeline.dataset.columns import read_table
from pipeline.evaluate.inputs import read_references, read_run, read_videos, reference_name
from pipeline.evaluate.run import Evaluation, Summary, evaluate, prepare, results_folder
from pipeline.evaluate.sensitivity import Sensitivity, measure_changes, report_changes
from pipeline.progress import console
from pipeline.run_log import logged

ARROWS = {"higher": "↑", "lower": "↓", "closer": "→ real"}

_SHOWN = 10
_WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """The command's flags."""

    reference: str
    out: str
    run: str | None = None
    videos: Where | None = None
    baseline: str | None = None
    clips: Path | None = None
    """Only the clips that this list names."""
    metrics: str | None = None
    protocol: str = "default"
    card: ProtocolCard | None = None
    """Instead of `protocol`."""
    system: str | None = None
    trust_weights: tuple[str, ...] = ()
    address: str | None = None
    workers: int | None = None
    timeout_s: float = 900.0
    device: str = "auto"
    gpus_per_worker: float | None = None
    sensitivity: Sensitivity | None = None
    """What is measured again under small changes, and stored beside the results."""


def run_evaluate(options: EvaluateOptions, executor: Executor | None = None) -> None:
    """Evaluate, then show the numbers and what to do next; on Ray where no `executor` is given and
    something is to be measured.
    """
    check_workers(options.workers, options.address)
    check_device(options.device, options.gpus_per_worker, options.address)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    job = replace(plan(options), created_at=now)
    folder = results_folder(options.out)
    announce(job)
    prepare(job, folder)  # refuse before Ray starts, which takes seconds
    executor = executor or OnDemand(lambda: _on_ray(options))
    card = job.conditions.card.hash
    with logged("evaluate", folder.uri, address=options.address, config=card):
        try:
            summary = evaluate(job, folder, executor)
            if options.sensitivity is not None:
                measure_changes(job, folder, options.sensitivity, executor)
        finally:
            executor.close()
    report(folder, summary, job)
    if options.sensitivity is not None:
        report_changes(folder)


def _on_ray(options: EvaluateOptions) -> OnRay:
    started = OnRay(
        options.workers, options.address, options.timeout_s,
        device=options.device, gpus_per_worker=options.gpus_per_worker,
    )  # fmt: skip
    for line in told(started.place):
        console.print(line, markup=False)
    return started


def plan(options: EvaluateOptions) -> Evaluation:
    """What is to be evaluated under which conditions. Raises InputError."""
    given = [options.run, options.videos, options.baseline]
    if sum(value is not None for value in given) != 1:
        raise InputError("give exactly one of --run, --videos and --baseline")
    card, whole = (options.card, None) if options.card else read_card(options.protocol)
    wanted = wanted_metrics(options.metrics, card)
    conditions = Conditions.resolve(card, options.trust_weights)
    if whole is not None:
        conditions.require_same(whole, wanted, options.protocol)
    references, dataset_hash = read_references(options.reference)
    if options.clips is not None:
        references = listed(references, options.clips)
    facts: dict[str, str | None] = {}
    if options.baseline is not None:
        if options.baseline not in BASELINES:
            raise InputError(f"--baseline {options.baseline}: give one of {', '.join(BASELINES)}")
        pairing = baseline(options.baseline, references)
    else:
        generated, facts = _generated(options)
        pairing = match(generated, references)
    return Evaluation(
        pairing=pairing,
        conditions=conditions,
        wanted=tuple(wanted),
        system=_system(options, facts),
        reference=reference_name(options.reference),
        same_take=options.baseline != "real-split",
        dataset_hash=dataset_hash or facts.get("dataset_hash"),
        checkpoint=facts.get("checkpoint"),
        baseline=options.baseline or facts.get("baseline"),
        command=("dawn", *sys.argv[1:]),
    )


def listed(references: Sequence[Reference], clips: Path) -> list[Reference]:
    """The real clips that a list names. Raises InputError where it names others."""
    wanted = {normalised(str(row["clip_id"])) for row in read_table(str(clips)).rows}
    if not wanted:
        raise InputError(f"--clips {clips}: names no clip; give a list with a column clip_id")
    found = [one for one in references if one.name in wanted]
    lost = sorted(wanted - {one.name for one in found})
    if lost:
        raise InputError(
            f"--clips {clips}: {len(lost):,} of {count(len(wanted), 'clip')} missing from "
            f"--reference, such as {lost[0]}"
        )
    return found


def wanted_metrics(given: str | None, card: ProtocolCard) -> list[str]:
    """The metrics named by commas, or the card's. Raises InputError for what names none."""
    words = [word.strip() for word in (given or "").split(",") if word.strip()]
    return select(words or card.metrics)


def _generated(options: EvaluateOptions) -> tuple[list[Generated], dict[str, str | None]]:
    if options.run is not None:
        return read_run(options.run)
    if options.videos is None:
        raise AssertionError("neither a run nor videos")
    return read_videos(options.videos), {}


def _system(options: EvaluateOptions, facts: dict[str, str | None]) -> str:
    """The name for tables: as given, the run's own, the baseline's, or the folder's."""
    if options.system is not None:
        if not options.system.strip():
            raise InputError("--system: give a name")
        return options.system
    folder = name_of(location(options.videos)) if options.videos is not None else None
    return facts.get("system") or options.baseline or folder or "system"


def announce(job: Evaluation) -> None:
    """Say what pairs, what does not, and which metrics cannot be measured, before any work."""
    pairing, card = job.pairing, job.conditions.card
    console.print(
        f"{count(len(pairing.pairs), 'pair')}; protocol {card.name} v{card.version}, "
        f"hash {card.hash}",
        markup=False,
    )
    for names, what in (
        (pairing.only_generated, "generated videos have no real clip"),
        (pairing.only_reference, "real clips have no generated video"),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            shown = ", ".join(names[:_SHOWN])
            console.print(f"{len(names)} {what}, left out: {shown}{more}", markup=False)
    lacking: dict[str, list[str]] = {}
    for name, standing in job.conditions.standings(job.wanted).items():
        if standing.hash is None:
            lacking.setdefault(str(standing.reason), []).append(name)
    for reason, names in lacking.items():
        console.print(f"unavailable: {', '.join(names)}: {reason}", markup=False)


def report(folder: RunFolder, summary: Summary, job: Evaluation) -> None:
    """The set's numbers with what they are worth, what went wrong, and what to run next."""
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(summary.outcomes.items()))
    console.print(f"done: {counts}; results of {job.system} in {folder.uri}", markup=False)
    for line in summary.details[:_SHOWN]:
        console.print(f"  {line}", markup=False)
    if len(summary.details) > _SHOWN:
        console.print(f"  and {len(summary.details) - _SHOWN} more; `clips` has them all")
    carried = [c for c in folder.read("clips", ["credentials"])["credentials"].to_pylist() if c]
    if carried:
        videos = count(len(job.pairing.pairs), "video")
        console.print(f"{len(carried)} of {videos} carry content credentials", markup=False)
    rows = {row["metric"]: row for row in folder.read_item("metrics", SET).to_pylist()}
    table = Table()
    for name in ("metric", "better", "generated", "real", "clips", "status"):
        table.add_column(name, no_wrap=True)
    unavailable = []
    reasons: dict[str, list[str]] = {}
    for metric in METRICS:
        row = rows.get(metric.definition.name)
        if row is None:
            continue
        if row["status"] == "unavailable":
            unavailable.append(row["metric"])
        else:
            table.add_row(*_cells(row, ARROWS[metric.definition.direction]))
            if row["reason"]:
                reasons.setdefault(_reason(row), []).append(row["metric"])
    console.print(table, width=max(console.width, _WIDTH), crop=False)  # never half a number
    for reason, names in reasons.items():
        console.print(f"{', '.join(names)}: {reason}", markup=False, soft_wrap=True)
    if unavailable:
        lacking = ", ".join(unavailable)
        console.print(
            f"unavailable (`metrics` has the reasons): {lacking}", markup=False, soft_wrap=True
        )
    console.print(f"next: dawn leaderboard {folder.uri}", markup=False)


def _reason(row: dict[str, Any]) -> str:
    status, reason = row["status"], str(row["reason"])
    return reason if reason.startswith(status) else f"{status}, {reason}"


def _cells(row: dict[str, Any], arrow: str) -> list[str]:
    return [
        row["metric"],
        arrow,
        number(row["value"]),
        number(row["reference"]),
        f"{row['n']} of {row['n_total']}",
        row["status"],
    ]
