"""`dawn evaluate`: decides what is to be measured, has it measured, makes the set's numbers.

Clips are measured in parallel and in any order; each commits its own rows. Whatever is committed
under the same conditions and of the same files is not measured again. The set's numbers come
last, from stored rows.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from eval.conditions import Conditions
from eval.metrics.catalogue import METRICS, require_known
from eval.metrics.interface import Reason
from eval.pairing import Pairing, PairSpec
from eval.results import INFO, SET, There, set_rows, there
from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.count_progress import CountProgress
from pipeline.evaluate_steps import Work, evaluate_clip, give_up, spec_inputs
from pipeline.executor import Executor, Failure

FIXED = ("system", "protocol", "reference", "checkpoint", "same_take")
"""What a results folder is about: it must stay the same when a run goes on."""

_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is evaluated, and how."""

    pairing: Pairing
    conditions: Conditions
    wanted: tuple[str, ...]
    system: str
    reference: str
    same_take: bool = True
    """Whether the two videos of a pair show the same take (not so for real-split)."""
    dataset_hash: str | None = None
    checkpoint: str | None = None
    baseline: str | None = None
    """Which baseline it is, if it is one."""
    command: tuple[str, ...] = ()
    created_at: str | None = None
    """UTC, ISO 8601. A folder keeps the time at which it was begun."""


@dataclass(slots=True)
class Summary:
    """What an evaluation did."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """ok, excluded, failed, unchanged -> clips."""
    details: list[str] = field(default_factory=list)
    """`clip: what went wrong`."""


def evaluate(job: Evaluation, folder: RunFolder, executor: Executor) -> Summary:
    """Bring a results folder to hold all that is wanted.

    Raises InputError as `prepare` does, when the folder is being written to, or when a weights
    file cannot be used.
    """
    prepare(job, folder)
    summary = Summary()
    begun = {"created_at": folder.info().get("created_at")}
    with folder.writing():
        folder.write_info(info(job) | begun)
        folder.write_text("protocol.yaml", _protocol_text(job.conditions))
        committed = there(folder)
        clips = {pair.clip_id for pair in job.pairing.pairs}
        for gone in committed.keys() - clips:
            for table in ("clips", "metrics", "features"):
                folder.remove(table, gone)
        _measure(job, folder, executor, committed, summary)
        # All that is there gets its number, not only what was asked for this time.
        known = {name for entry in there(folder).values() for name in entry.metrics}
        rows = set_rows(folder, job.conditions, job.system, known | set(job.wanted), clips)
        folder.write("metrics", SET, rows)
        folder.write_info(info(job) | begun | {"complete": True})
    return summary


def prepare(job: Evaluation, folder: RunFolder) -> None:
    """Make the folder, or check that it is about the same. Raises InputError when it is not, when
    a metric is unknown, and when there is nothing to pair: before anything expensive begins.
    """
    require_known(job.wanted)
    if not job.pairing.pairs:
        raise InputError(_nothing_pairs(job.pairing))
    folder.ensure(info(job), FIXED)


def standings(conditions: Conditions, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Of each wanted metric: what its numbers are worth here, and why."""
    by_name = {metric.definition.name: metric for metric in METRICS}
    return {name: conditions.standing(by_name[name]) for name in wanted}


def _measure(
    job: Evaluation,
    folder: RunFolder,
    executor: Executor,
    committed: Mapping[str, There],
    summary: Summary,
) -> None:
    can = {n: s for n, s in standings(job.conditions, job.wanted).items() if s[0] != "unavailable"}
    works: dict[str, Work] = {}
    for spec in job.pairing.pairs:
        missing, keep = _missing(spec, committed.get(spec.clip_id), can)
        if missing is None:
            summary.outcomes["unchanged"] += 1
            continue
        works[spec.clip_id] = Work(
            results=folder.uri,
            system=job.system,
            protocol_hash=job.conditions.hash,
            settings=job.conditions.settings,
            standings=missing,
            spec=spec,
            same_take=job.same_take,
            keep=keep,
        )
        executor.submit(spec.clip_id, evaluate_clip, works[spec.clip_id])
    with CountProgress("evaluate", "clips", len(works)) as progress:
        for key, outcome in executor.results():
            name = str(key)
            if isinstance(outcome, Failure):
                give_up(works[name], Reason.WORKER)
                summary.outcomes["failed"] += 1
                summary.details.append(f"{name}: {outcome.kind}: {outcome.detail}")
                progress.advance("failed")
                continue
            if outcome.fatal is not None:
                raise InputError(outcome.fatal)
            summary.outcomes[outcome.status] += 1
            if outcome.detail:
                summary.details.append(f"{name}: {outcome.detail}")
            progress.advance(outcome.status)


def _missing(
    spec: PairSpec, there: There | None, wanted: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, bool]:
    """The metrics to measure (None: none, the clip is whole) and whether old rows stay valid."""
    if there is None or there.inputs != spec_inputs(spec):
        return dict(wanted), False
    missing = {name: standing for name, standing in wanted.items() if name not in there.metrics}
    return (missing or None), True


def info(job: Evaluation) -> dict[str, Any]:
    """The content of `results.json`."""
    pairing, conditions = job.pairing, job.conditions
    whole = conditions.as_dict()
    return {
        "system": job.system,
        "protocol": whole,
        "protocol_hash": conditions.hash,
        "weights": whole["weights"],
        "dataset_hash": job.dataset_hash,
        "clip_list_hash": pairing.clip_list_hash,
        "clips": len(pairing.pairs),
        "reference": job.reference,
        "checkpoint": job.checkpoint,
        "baseline": job.baseline,
        "same_take": job.same_take,
        "metrics": list(job.wanted),
        "unpaired": {
            "generated": len(pairing.only_generated),
            "reference": len(pairing.only_reference),
            "generated_names": pairing.only_generated[:_NAMED],
            "reference_names": pairing.only_reference[:_NAMED],
        },
        "code_version": version("dawn-pipeline"),
        "command": list(job.command),
        "created_at": job.created_at,
        "complete": False,
    }


def _protocol_text(conditions: Conditions) -> str:
    head = f"# The conditions of these results; hash {conditions.hash}.\n"
    return head + yaml.safe_dump(conditions.as_dict(), sort_keys=True, allow_unicode=True)


def _nothing_pairs(pairing: Pairing) -> str:
    generated, real = pairing.only_generated, pairing.only_reference
    example = (
        f"; the first names are {generated[0]!r} and {real[0]!r}" if generated and real else ""
    )
    return (
        f"nothing pairs: {len(generated)} videos and {len(real)} real clips have no name in "
        f"common{example}; name each video after its clip id or its source file"
    )


def results_folder(out: str) -> RunFolder:
    """The folder of results at a path or URI. Raises InputError when other things lie there."""
    folder = RunFolder(out, INFO)
    if folder.local and not folder.exists:
        path = Path(folder.path)
        # What begins with a dot is of a run that was killed before it wrote anything.
        if path.exists() and not (
            path.is_dir() and all(entry.name.startswith(".") for entry in path.iterdir())
        ):
            raise InputError(f"--out {out}: holds other files; give a new or empty folder")
    return folder
