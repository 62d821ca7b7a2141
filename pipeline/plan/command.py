"""What `dawn plan` prints and decides."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from dawn.recipe import IngestConfig
from manifests.config import load_yaml
from manifests.counting import count
from manifests.errors import InputError
from pipeline.plan.costs import Costs, read_costs, write_costs
from pipeline.plan.estimate import LEVEL, Estimate, Interval, Wanted, estimate
from pipeline.plan.fit import misfits, nodes
from pipeline.progress import console


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """The command's flags."""

    costs: Path
    clips: tuple[Path, ...] = ()
    measure: bool = False
    at: str | None = None
    config: Path | None = None
    checkpoint: str | None = None
    max_seconds: float | None = None
    device: str = "cpu"
    hours: float | None = None
    generate_minutes: float | None = None
    workers: int = 1
    gpus: float = 0.0
    price: float | None = None
    gpu_price: float | None = None
    preemptions: float = 0.0
    fit: bool = False
    address: str | None = None


def run_plan(options: PlanOptions) -> None:
    """Measure where clips are given, plan where an amount is. Raises InputError, also for a run
    that does not fit.
    """
    wants_plan = options.hours is not None or options.generate_minutes is not None
    if not wants_plan and not options.measure:
        raise InputError("give --hours H, --generate-minutes M, or --measure CLIP…")
    if bool(options.clips) != options.measure:
        raise InputError("videos and --measure go together: dawn plan --measure CLIP…")
    costs = _measured(options) if options.measure else read_costs(options.costs)
    amounts = {
        "ingest": (options.hours or 0) * 3600,
        "generate": (options.generate_minutes or 0) * 60,
    }
    if min(amounts.values()) < 0:
        raise InputError("--hours and --generate-minutes: give positive numbers")
    missing = [name for name, amount in amounts.items() if amount and name not in costs.stages]
    if missing:
        raise InputError(
            f"{options.costs}: says nothing of {missing[0]}; measure again, with --checkpoint"
        )
    lacking = []
    for name, amount in amounts.items():
        if amount:
            stage = costs.stages[name]
            _show(name, amount, estimate(stage, _wanted(options, name, amount)))
            lacking.append(stage.peak)
    console.print(_told(costs), markup=False)
    if options.fit:
        there = nodes(options.address)
        faults = list(misfits(there, options.workers, options.gpus, max(lacking, default=0)))
        if faults:
            raise InputError(f"--fit: {'; '.join(faults)}")
        console.print(f"it fits {count(len(there), 'node')}")


def _wanted(options: PlanOptions, stage: str, amount: float) -> Wanted:
    return Wanted(
        seconds=amount, workers=options.workers, gpus=options.gpus, price=options.price,
        gpu_price=options.gpu_price, preemptions=options.preemptions,
        **({} if stage == "ingest" else {"group": 10**9}),
    )  # fmt: skip


def _measured(options: PlanOptions) -> Costs:
    from pipeline.plan.measure import measure
    from pipeline.plan.trial import Trial

    config = load_yaml(IngestConfig, options.config) if options.config else IngestConfig()
    with tempfile.TemporaryDirectory(prefix="dawn-plan-") as here:
        trial = Trial(
            clips=tuple(sorted(options.clips)), config=config, at=options.at or here,
            checkpoint=options.checkpoint, max_seconds=options.max_seconds, device=options.device,
        )  # fmt: skip
        costs = measure(trial)
    write_costs(options.costs, costs)
    console.print(f"measured: {options.costs}", markup=False)
    return costs


def _show(name: str, amount: float, plan: Estimate) -> None:
    of = f"{amount / 60:g} minutes made"
    if name == "ingest":
        of = f"{amount / 3600:g} hours of footage"
    table = Table(f"{name}: {of}", "estimate", f"{LEVEL:.0%} interval")

    def row(what: str, value: Interval | None, unit: str, factor: float = 1.0) -> None:
        if value is not None:
            table.add_row(what, *_written(value.times(factor), unit))

    hour, giga = 1 / 3600, 1e-9
    row("time", plan.wall_s, "h", hour)
    row("core-hours", plan.core_s, "h", hour)
    row("GPU-hours", plan.gpu_s, "h", hour)
    row("bytes read", plan.read, "GB", giga)
    row("bytes written", plan.written, "GB", giga)
    row("bytes kept", plan.kept, "GB", giga)
    row("requests to the store", plan.requests, "")
    row("accepted", plan.accepted_s, "h", hour)
    table.add_row("memory of a worker", f"{plan.peak * giga:.3g} GB", "the most in the trial")
    table.add_row("limited by", plan.bottleneck, "")
    row("dollars", plan.dollars, "")
    if name == "ingest":
        row("dollars per accepted hour", plan.dollars_an_hour, "")
    else:
        row("dollars per generated minute", plan.dollars_an_hour, "", 1 / 60)
    console.print(table)


def _written(value: Interval, unit: str) -> tuple[str, str]:
    after = f" {unit}" if unit else ""
    if value.low is None or value.high is None:
        return f"{value.value:.3g}{after}", "unknown: one clip was measured"
    return f"{value.value:.3g}{after}", f"{value.low:.3g} to {value.high:.3g}"


def _told(costs: Costs) -> str:
    numbers = ", ".join(f"{count(len(s.items), 'clip')} for {n}" for n, s in costs.stages.items())
    return f"measured on {costs.machine}, {costs.made_at}, version {costs.version}: {numbers}"
