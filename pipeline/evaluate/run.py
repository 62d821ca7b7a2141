"""`dawn evaluate`: decides what is to be measured, has it measured, makes the set's numbers.

Clips are measured in parallel and in any order; each commits its own rows. Whatever is committed
under the same conditions and of the same files is not measured again: that is decided metric by
metric. The set's numbers come last, from stored rows.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from dawn.device import CPU, PRECISION
from eval.metrics.catalogue import names, require_known
from eval.metrics.interface import Reason
from eval.protocol.card import deciding
from eval.results.comparable import devices_of
from eval.results.conditions import Conditions, Standing, described, hash_of, networks_in
from eval.results.pairing import Pairing, PairSpec
from eval.results.scores import record_of, standings_of
from eval.results.stored import INFO, SET, CommittedClip, committed_clips, set_rows
from manifests.config import diff
from manifests.counting import count
from manifests.errors import InputError
from manifests.runs import RunFolder, item_name
from pipeline.cluster.executor import Executor, Failure
from pipeline.cluster.shared import sights_of
from pipeline.evaluate.worker import ClipTask, evaluate_clip, give_up, spec_inputs
from pipeline.events import note
from pipeline.progress import Progress

FIXED = ("system", "reference", "checkpoint", "same_take")
"""What a results folder is about: it must stay the same when a run goes on, as must its card."""

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
    with folder.writing(), sights_of(folder) as sights:
        note("writing", folder=folder.uri)
        executor.expect(sights)
        told = info(job, folder.info())
        folder.write_info(told)
        folder.write_text("protocol.yaml", _protocol_text(told["protocol"]))
        hashes = _hashes(told)
        committed = committed_clips(folder, hashes)
        clips = {pair.clip_id for pair in job.pairing.pairs}
        for gone in committed.keys() - clips:
            for table in ("clips", "metrics", "features"):
                folder.remove(table, gone)
        told = _measure(job, folder, executor, committed, told, summary)
        # All that is there gets its number, not only what was asked for this time.
        known = {
            name for entry in committed_clips(folder, hashes).values() for name in entry.metrics
        }
        shown = {n: s for n, s in standings_of(told).items() if n in known.union(job.wanted)}
        rows = set_rows(folder, job.conditions.card, shown, job.system, clips)
        folder.write("metrics", SET, rows)
        folder.write_info(told | {"complete": True})
    return summary


def prepare(job: Evaluation, folder: RunFolder) -> None:
    """Make the folder, or check that it is about the same. Raises InputError when it is not, when
    a metric is unknown, and when there is nothing to pair: before anything expensive begins.
    """
    require_known(job.wanted)
    if not job.pairing.pairs:
        raise InputError(_nothing_pairs(job.pairing))
    check_conditions(job.conditions, job.wanted, folder)
    folder.ensure(info(job), FIXED)


def check_conditions(conditions: Conditions, wanted: Iterable[str], folder: RunFolder) -> None:
    """Raise InputError where a folder has numbers of another card, or numbers of wanted metrics
    that were made under other conditions than they would be here.
    """
    if not folder.exists:
        return
    record = record_of(folder.info(), folder.uri)
    changes = diff({"card": deciding(record["card"])}, {"card": conditions.card.deciding})
    if changes:
        raise InputError(
            f"{folder.uri}: was made with other settings ({'; '.join(changes)}); give another "
            "folder, or the same settings to go on"
        )
    lines = described(conditions.others(record, wanted))
    if lines:
        raise InputError(
            f"{folder.uri}: {'; '.join(lines)}; give another folder, or leave these metrics out "
            "with --metrics"
        )


def _measure(
    job: Evaluation,
    folder: RunFolder,
    executor: Executor,
    committed: Mapping[str, CommittedClip],
    told: dict[str, Any],
    summary: Summary,
) -> dict[str, Any]:
    """Measure what is missing; returns what `results.json` says of it."""
    here = job.conditions.standings(job.wanted)
    can = {name: standing for name, standing in here.items() if standing.hash is not None}
    hashes, settings = _hashes(told), job.conditions.settings(_usable(job, told))
    record = told["protocol"]
    libraries = {n: v for name in can for n, v in record["metrics"][name]["libraries"].items()}
    works: dict[str, ClipTask] = {}
    for spec in job.pairing.pairs:
        missing, keep = _missing(spec, committed.get(spec.clip_id), can)
        if missing is None:
            summary.outcomes["unchanged"] += 1
            note("finished", level=logging.DEBUG, outcome="unchanged")
            continue
        networks = any(networks_in(record["metrics"][name]) for name in missing)
        place = executor.place if networks else CPU
        works[spec.clip_id] = ClipTask(
            results=folder.uri,
            system=job.system,
            protocol_hash=job.conditions.card.hash,
            settings=replace(settings, place=place),
            standings=missing,
            features={name: hashes[name] for name in record["features"]},
            libraries=libraries,
            spec=spec,
            same_take=job.same_take,
            keep=keep,
        )
        executor.submit(spec.clip_id, evaluate_clip, works[spec.clip_id], networks=networks)
    said: list[str] = []
    with Progress("evaluate", len(works), items=len(works)) as progress:
        for key, outcome in executor.results():
            name = str(key)
            said.append(name)
            if isinstance(outcome, Failure) and outcome.kind == "node":
                raise InputError(f"{name}: {outcome.detail}")
            if isinstance(outcome, Failure):
                give_up(works[name], Reason.WORKER)
                summary.outcomes["failed"] += 1
                summary.details.append(f"{name}: {outcome.kind}: {outcome.detail}")
                _note_end(name, "failed", outcome.detail, reason=outcome.kind)
                progress.count("failed", 1)
                continue
            if outcome.fatal is not None:
                raise InputError(outcome.fatal)
            devices = _with_devices(told, works[name].standings, outcome.devices)
            if devices != told["devices"]:
                told = {**told, "devices": devices}
                folder.write_info(told)
            summary.outcomes[outcome.status] += 1
            if outcome.detail:
                summary.details.append(f"{name}: {outcome.detail}")
            _note_end(name, outcome.status, outcome.detail)
            progress.count(outcome.status, 1)
    _require_there(folder, said)
    return told


def _note_end(clip: str, status: str, detail: str | None, *, reason: str | None = None) -> None:
    """Tell how a clip ended."""
    note(
        "finished", level=logging.WARNING if status == "failed" else logging.INFO, outcome=status,
        item=clip, reason=reason, detail=detail, clips=int(status == "ok"),
    )  # fmt: skip


def _require_there(folder: RunFolder, said: list[str]) -> None:
    """See that what workers say they measured can be read here. Raises InputError."""
    there = folder.names("clips")
    lost = sorted(name for name in said if f"{item_name(name)}.parquet" not in there)
    if lost:
        raise InputError(
            f"{folder.uri}: what workers measured of {len(lost)} of {count(len(said), 'clip')} is "
            f"not there, such as {lost[0]}; give a folder that all nodes share, or an s3:// address"
        )


def _with_devices(
    told: Mapping[str, Any], metrics: Iterable[str], devices: Mapping[str, str]
) -> dict[str, list[str]]:
    """Which devices measured each metric's numbers, with those of a clip just measured."""
    found: dict[str, list[str]] = dict(told["devices"])
    for name in metrics:
        libraries = networks_in(told["protocol"]["metrics"][name])
        used = {devices[library] for library in libraries & devices.keys()}
        if used:
            found[name] = sorted(used.union(found.get(name, ())))
    return dict(sorted(found.items()))


def _missing(
    spec: PairSpec, there: CommittedClip | None, wanted: Mapping[str, Standing]
) -> tuple[dict[str, Standing] | None, bool]:
    """The metrics to measure (None: none, the clip is whole) and whether old rows stay valid."""
    if there is None or there.inputs != spec_inputs(spec):
        return dict(wanted), False
    missing = {name: standing for name, standing in wanted.items() if name not in there.metrics}
    return (missing or None), True


def info(job: Evaluation, begun: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of `results.json`. Of a folder that was begun, its info: metrics that are not
    wanted now, or cannot be measured any more, keep what is recorded of them.
    """
    pairing, conditions = job.pairing, job.conditions
    old = standings_of(begun) if begun else {}
    new = {
        name: standing
        for name, standing in conditions.standings(job.wanted).items()
        if standing.hash is not None or name not in old
    }
    standings = {name: (old | new)[name] for name in names() if name in old or name in new}
    record = conditions.as_dict(name for name, s in new.items() if s.hash is not None)
    if begun:
        for part in ("metrics", "features"):
            record[part] = dict(sorted((begun["protocol"][part] | record[part]).items()))
    return {
        "system": job.system,
        "protocol": record,
        "protocol_hash": conditions.card.hash,
        "devices": {} if begun is None else devices_of(begun),
        "generated_on": sorted(
            {str(p.row["device"]) for p in pairing.pairs if p.row and p.row.get("device")}
        ),
        "precision": PRECISION,
        "standings": {name: asdict(standing) for name, standing in standings.items()},
        "dataset_hash": job.dataset_hash,
        "clip_list_hash": pairing.clip_list_hash,
        "clips": len(pairing.pairs),
        "reference": job.reference,
        "checkpoint": job.checkpoint,
        "baseline": job.baseline,
        "same_take": job.same_take,
        "metrics": list(standings),
        "sources": {
            pair.clip_id: pair.reference.source
            for pair in pairing.pairs
            if pair.reference.source is not None
        },
        "unpaired": {
            "generated": len(pairing.only_generated),
            "reference": len(pairing.only_reference),
            "generated_names": pairing.only_generated[:_NAMED],
            "reference_names": pairing.only_reference[:_NAMED],
        },
        "code_version": version("dawn-pipeline"),
        "command": list(job.command),
        "created_at": begun.get("created_at") if begun else job.created_at,
        "complete": False,
    }


def _hashes(told: Mapping[str, Any]) -> dict[str, str]:
    """Of the conditions of each metric and feature that results.json tells of."""
    protocol = told["protocol"]
    return {n: hash_of(n, c) for part in ("metrics", "features") for n, c in protocol[part].items()}


def _usable(job: Evaluation, told: Mapping[str, Any]) -> list[str]:
    """Metrics of the folder that could be measured here as they were."""
    now = job.conditions.standings(told["protocol"]["metrics"])
    return [name for name, s in standings_of(told).items() if s.hash and s == now[name]]


def _protocol_text(protocol: Mapping[str, Any]) -> str:
    head = "# The card, and what each metric's numbers are made under.\n"
    return head + yaml.safe_dump(dict(protocol), sort_keys=True, allow_unicode=True)


def _nothing_pairs(pairing: Pairing) -> str:
    generated, real = pairing.only_generated, pairing.only_reference
    example = (
        f"; the first names are {generated[0]!r} and {real[0]!r}" if generated and real else ""
    )
    return (
        f"no videos could be paired: {count(len(generated), 'video')} and "
        f"{count(len(real), 'real clip')} have no "
        f"name in common{example}; name each video after its clip id or its source file"
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
            raise InputError(f"--out {out}: is not empty; give a new or empty folder")
    return folder
