"""`dawn regress`: compares, reports, and moves the baseline."""

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from eval.gate.baseline import NoBaselineError, is_pointer, load_baseline, move
from eval.gate.calibration import FACTOR, calibrate
from eval.gate.findings import Finding, Verdict, Watched
from eval.gate.margins import Gate, read_gate
from eval.gate.regression import Judgement, judge
from eval.gate.reports import WRITERS, facts
from eval.report.numbers import number, plus
from eval.results.comparable import (
    differences,
    incomparable,
    other_conditions,
    other_devices,
)
from eval.results.conditions import OTHER_CONDITIONS, described
from eval.results.scores import Results, load_results
from manifests.atomic_write import write_whole
from manifests.counting import count
from manifests.errors import InputError
from manifests.location import Where, exists, inside, where_of
from pipeline.progress import console, errors

NOT_COMPARABLE = 3
"""Exit code: the two cannot be held against each other."""

_COLOURS: dict[Verdict, str] = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressOptions:
    """The command's flags."""

    baseline: str
    candidate: str
    gate: Path | None = None
    reports: tuple[str, ...] = ()
    out: Where | None = None
    inconclusive: int = 1


def run_regress(options: RegressOptions) -> int:
    """Judge, report, and return the exit code: 0 pass, 1 fail, 3 not comparable; inconclusive
    gives what the options say. Raises InputError.
    """
    out = where_of(str(options.out)) if options.out is not None else None
    check_reports(options.reports, out)
    gate = read_gate(options.gate)
    after = load_results(options.candidate)
    try:
        before = load_baseline(options.baseline)
    except NoBaselineError as error:
        return refuse([str(error)])
    reasons = not_comparable(before, after, gate)
    if reasons:
        return refuse(reasons)
    judged = judge(before, after, gate)
    write_reports(judged, options.reports, out)
    if not options.reports or options.out is not None:
        show(judged)
        _next(judged, options)
    return {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": options.inconclusive}[judged.verdict]


def not_comparable(before: Results, after: Results, gate: Gate) -> list[str]:
    """Why two results cannot be held against each other for this gate; empty: they can."""
    asked = [entry.metric for entry in gate.gates]
    return differences(before, after) or described(
        incomparable(before.protocol, after.protocol, asked)
    )


def refuse(reasons: Sequence[str]) -> int:
    """Say why two results cannot be held against each other; returns the exit code."""
    for reason in reasons:
        errors.print(f"not comparable: {reason}", markup=False)
    if any(OTHER_CONDITIONS in reason for reason in reasons):
        errors.print("evaluate the baseline's videos again, with what is installed here")
    return NOT_COMPARABLE


def check_reports(reports: Sequence[str], out: Where | None) -> None:
    """Raises InputError for an unknown format, or reports without a place to go."""
    for name in reports:
        if name not in WRITERS:
            raise InputError(f"--report {name}: give one of {', '.join(WRITERS)}")
    if len(reports) > 1 and out is None:
        raise InputError("--report: say where several reports go with --out DIR")
    if out is not None and not reports:
        raise InputError(f"--out {out}: say what to write there with --report")


def write_reports(judged: Judgement, reports: Sequence[str], out: Where | None) -> None:
    """Reports into `out`; a single one without `out` to the screen."""
    for name in reports:
        suffix, writer = WRITERS[name]
        if out is None:
            console.file.write(writer(judged))
            continue
        write_whole(inside(out, f"regression.{suffix}"), writer(judged).encode())


def show(judged: Judgement) -> None:
    """The decision as a table, then what went wrong elsewhere."""
    table = Table()
    for name in ("verdict", "metric", "baseline", "candidate", "gain", "margin", "clips", "why"):
        table.add_column(name, no_wrap=name != "why", overflow="fold")
    for row in judged.findings:
        if row.kind != "metric":
            continue
        why = "not compared, see below" if row.name in judged.other else row.text
        table.add_row(
            f"[{_COLOURS[row.verdict]}]{row.verdict}[/]", row.name, number(row.before),
            number(row.after), plus(row.gain), number(row.margin, 3), str(row.n), escape(why),
        )  # fmt: skip
    console.print(table)
    others = [row for row in judged.findings if row.kind != "metric"]
    for row in others:
        if row.verdict != "PASS":
            console.print(f"{row.verdict}: {row.kind}: {row.name}: {row.text}", markup=False)
    held = sum(row.verdict == "PASS" for row in others)
    console.print(f"{held} of {len(others)} checks of tails, validity and speed hold")
    for name, why in judged.skipped.items():
        console.print(f"not measured: {name}: {why}", markup=False)
    for line in described(judged.other):
        console.print(f"not compared: {line}", markup=False)
    for line in other_devices({"baseline": judged.baseline, "candidate": judged.candidate}):
        console.print(line, markup=False)
    colour = _COLOURS[judged.verdict]
    clips = count(judged.clips, "clip")
    names = f"{judged.candidate['system']} against {judged.baseline['system']}"
    console.print(f"[bold {colour}]{judged.verdict}[/] {escape(names)}, {clips}")


def _next(judged: Judgement, options: RegressOptions) -> None:
    if options.out is not None:
        console.print(f"reports in {options.out}", markup=False)
    if judged.verdict == "PASS":
        console.print(
            f"next: dawn regress accept --baseline baseline.json --candidate {options.candidate} "
            "--reason WHY",
            markup=False,
        )
    else:
        console.print(
            f"next: dawn leaderboard {options.baseline} {options.candidate} --out page",
            markup=False,
        )


def accept(
    baseline: str, candidate: str, reason: str, gate_file: Path | None, *, failed: bool
) -> None:
    """Move the baseline file to the candidate's results; what changed goes into its history.

    Raises InputError when the candidate fails and `failed` does not allow it.
    """
    if not is_pointer(baseline):
        raise InputError(
            f"--baseline {baseline}: give the file that names the baseline, such as baseline.json"
        )
    if not reason.strip():
        raise InputError("--reason: say why the baseline is moved; it goes into the history")
    file, after = where_of(baseline), load_results(candidate)
    entry: dict[str, Any] = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "reason": reason,
        **facts(after.info),
    }
    if exists(file):
        entry |= _change(load_accepted(baseline), after, gate_file)
        if entry["verdict"] == "FAIL" and not failed:
            raise InputError(
                f"{candidate}: fails against the baseline; mend it, or accept it all the same "
                "with --failed"
            )
    else:
        entry["verdict"] = "FIRST"
    move(file, after, entry)
    console.print(f"{file}: {entry['verdict']}; the baseline is now {candidate}", markup=False)
    console.print(f"next: git add {file}", markup=False)


def load_accepted(baseline: str) -> Results | str:
    """The results a baseline file names, or why they cannot be had."""
    try:
        return load_baseline(baseline)
    except NoBaselineError as error:
        return str(error)


def _change(before: Results | str, after: Results, gate_file: Path | None) -> dict[str, Any]:
    """The verdict of a move, and the numbers that changed."""
    if isinstance(before, str):
        return {"verdict": "GONE", "why": [before]}
    gate = read_gate(gate_file)
    reasons = not_comparable(before, after, gate)
    if reasons:
        return {"verdict": "NOT COMPARABLE", "why": reasons}
    judged = judge(before, after, gate)
    rows: list[Finding | Watched] = [*judged.findings, *judged.watched]
    changes = {
        row.name: {"before": row.before, "after": row.after, "gain": row.gain}
        for row in rows
        if row.gain is not None and math.isfinite(row.gain)
    }
    faults = [f"{row.kind}: {row.name}: {row.text}" for row in judged.findings
              if row.verdict != "PASS"]  # fmt: skip
    return {"verdict": judged.verdict, "changes": changes, "why": faults}


def run_calibrate(folders: Sequence[str]) -> None:
    """Print the margins that results of one checkpoint by several seeds give."""
    runs = [load_results(folder) for folder in folders]
    found = calibrate(runs)
    table = Table("metric", "mean", "spread between seeds", "margin", "relative")
    for row in found:
        share = number(row.relative, 2)
        table.add_row(
            row.name, number(row.mean), number(row.spread, 3), number(row.margin, 2), share
        )
    console.print(table)
    for run in runs[1:]:
        for line in described(other_conditions(runs[0], run)):
            console.print(f"left out: {run.folder.uri}: {line}", markup=False)
    console.print(
        f"{count(len(folders), 'run')}; margin: {FACTOR:g} standard deviations between seeds. "
        "Put the metrics that should decide into a gate file; docs/regression.md says how"
    )
