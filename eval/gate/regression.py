"""May a candidate replace the baseline? Paired non-inferiority, metric by metric.

With d the gain of the candidate on the same clips (positive: better) and m the margin, a metric

- passes when the one-sided lower bound of d lies above -m: worse by a margin is ruled out;
- fails when d lies below -m and is surely below 0 (Holm over the gate's metrics);
- is inconclusive otherwise, and says how many clips like these would decide.

All metrics must pass, so passing needs no correction for their number; failing does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eval.gate.findings import Finding, Verdict, Watched, worst
from eval.gate.guards import speed, validity
from eval.gate.margins import Gate, GateMetric
from eval.metrics.catalogue import METRICS, is_set
from eval.metrics.interface import SetMetric, TooFewError
from eval.protocol.card import ProtocolCard
from eval.results.comparable import other_conditions
from eval.results.comparison import Comparison, compare_scores, compare_sets
from eval.results.conditions import OTHER_CONDITIONS
from eval.results.scores import Results
from eval.statistics.intervals import holm, sign_flip
from manifests.config import load
from manifests.counting import count

_BY_NAME = {metric.definition.name: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A check's outcome: `findings` decide, `watched` inform, `skipped` were not measured."""

    verdict: Verdict
    gate: Gate
    baseline: Mapping[str, Any]
    candidate: Mapping[str, Any]
    """Both results' info: system, checkpoint, hashes."""
    clips: int
    findings: list[Finding]
    watched: list[Watched]
    skipped: dict[str, str]
    """Metrics of the gate that neither side has, and why."""
    other: dict[str, list[str]]
    """Metrics that both have, made under other conditions: not compared. What differs."""


def judge(before: Results, after: Results, gate: Gate) -> Judgement:
    """Hold a candidate's results against a baseline's; `comparable.differences` and
    `comparable.incomparable` must be empty.

    The set's numbers need the stored features of both; all else is from the clips' rows.
    """
    other = other_conditions(before, after)
    alike = [entry for entry in gate.gates if entry.metric not in other]
    findings = [
        Finding(kind="metric", name=e.metric, verdict="INCONCLUSIVE", text=_made(other[e.metric]))
        for e in gate.gates
        if e.metric in other
    ]
    asked = replace(gate, gates=tuple(alike)) if alike else gate
    findings += validity(before, after, asked) + speed(before, after, gate)
    compared: dict[str, Comparison] = {}
    skipped: dict[str, str] = {}
    for wanted in alike:
        result = _compared(wanted.metric, before, after)
        if isinstance(result, Comparison):
            compared[wanted.metric] = result
        elif _has(before, wanted.metric):
            text = f"the baseline has it, the candidate does not: {result}"
            findings.append(
                Finding(kind="metric", name=wanted.metric, verdict="INCONCLUSIVE", text=text)
            )
        else:
            skipped[wanted.metric] = result
    findings = _metrics(compared, gate) + _tails(compared, gate) + findings
    if not compared:
        text = "no metric of the gate was measured on both sides; evaluate with --metrics"
        findings.insert(0, Finding(kind="metric", name="gate", verdict="INCONCLUSIVE", text=text))
    findings = [
        replace(found, real=_real(after, found.name)) if found.kind == "metric" else found
        for found in findings
    ]
    return Judgement(
        verdict=worst(findings),
        gate=gate,
        baseline=before.info,
        candidate=after.info,
        clips=len(before.clips),
        findings=findings,
        watched=_watched(before, after, gate, set(other)),
        skipped=skipped,
        other=other,
    )


def _real(results: Results, name: str) -> float | None:
    """The real clips' own number of a metric."""
    value = results.set_rows.get(name, {}).get("reference")
    return None if value is None else float(value)


def _made(differs: list[str]) -> str:
    return f"{OTHER_CONDITIONS} ({', '.join(differs)}); evaluate the baseline again"


def _has(results: Results, name: str) -> bool:
    if name in results.scores:
        return bool(results.scores[name].measured.any())
    return results.set_rows.get(name, {}).get("value") is not None


def _compared(name: str, before: Results, after: Results) -> Comparison | str:
    """The comparison of a metric, or why there is none."""
    metric = _BY_NAME[name]
    for results in (before, after):
        if not _has(results, name):
            row = results.set_rows.get(name)
            return str(row["reason"] or row["status"]) if row else "it was not measured"
    if is_set(metric):
        return _compared_sets(metric, before, after)
    places = np.arange(len(before.clips))
    pairs = np.stack([places, places], axis=1)
    result = compare_scores(before.scores[name], after.scores[name], pairs, before.speakers)
    return result if result.n else "no clip has a number on both sides"


def _compared_sets(metric: SetMetric, before: Results, after: Results) -> Comparison | str:
    card = load(ProtocolCard, before.info["protocol"]["card"], "protocol")
    clips = set(before.clip_ids)
    old, new = (results.features(metric, "generated", clips) for results in (before, after))
    real = before.features(metric, "reference", clips)
    speakers = dict(zip(before.clip_ids, before.speakers, strict=True))
    try:
        return compare_sets(metric, old, new, real, speakers, card)
    except TooFewError as error:
        return str(error)


def _metrics(compared: Mapping[str, Comparison], gate: Gate) -> list[Finding]:
    wanted = [entry for entry in gate.gates if entry.metric in compared]
    adjusted = holm([compared[entry.metric].p_worse for entry in wanted])
    return [
        _judged(entry, compared[entry.metric], p, gate)
        for entry, p in zip(wanted, adjusted, strict=True)
    ]


def _judged(entry: GateMetric, result: Comparison, p: float, gate: Gate) -> Finding:
    margin = entry.allowed(result.before)
    low, high = result.bounds(gate.alpha)
    enough = result.groups.count >= gate.min_clips and np.isfinite(low)
    needed: int | None = None
    verdict: Verdict
    fell, rose = _identical(result, -1), _identical(result, 1)
    if fell > rose:  # no chance: it takes every pixel
        verdict, text = "FAIL", f"clips no longer identical to the real ones: {fell}"
    elif enough and (low > -margin or low >= 0):
        verdict, text = "PASS", "not worse by the margin"
        text += f"; clips that became identical to the real ones: {rose}" if rose else ""
    elif enough and result.gain < -margin and p < gate.alpha:
        verdict, text = "FAIL", "worse by more than the margin"
    else:
        verdict = "INCONCLUSIVE"
        needed = max(result.needed(margin) or 0, gate.min_clips) or None
        text = f"about {count(needed or 0, 'clip')} would decide"
        if not enough:
            what = "speaker" if result.groups.by_speaker else "clip"
            text = f"too few: {count(result.groups.count, what)}; {text}"
    return Finding(
        kind="metric", name=entry.metric, verdict=verdict, text=text, before=result.before,
        after=result.after, gain=result.gain, low=low, high=high, margin=margin, p=p,
        n=result.n, needed=needed,
    )  # fmt: skip


def _identical(result: Comparison, side: int) -> int:
    return 0 if result.identical is None else int((result.identical == side).sum())


def _tails(compared: Mapping[str, Comparison], gate: Gate) -> list[Finding]:
    """Clips that fell far, against those that rose as far: chance moves as many up as down.
    Too few clips tell nothing here either.
    """
    margins = {entry.metric: entry for entry in gate.gates}
    rows = []
    for name, result in compared.items():
        if result.per_clip is None or result.groups.count < gate.min_clips:
            continue
        far = gate.tail.margins * margins[name].allowed(result.before)
        beyond = np.where(np.abs(result.per_clip) > far, np.sign(result.per_clip), 0.0)
        if result.identical is not None:
            beyond = np.where(result.identical != 0, result.identical, beyond)
        fell, rose = int((beyond < 0).sum()), int((beyond > 0).sum())
        rows.append((name, result, far, fell, rose, sign_flip(beyond, result.groups, "less")))
    adjusted = holm([row[-1] for row in rows])
    return [
        Finding(
            kind="tail",
            name=name,
            verdict="FAIL" if p < gate.tail.alpha else "PASS",
            text=f"{count(fell, 'clip')} fell by more than {far:.3g}, {rose} rose as far",
            margin=far,
            p=p,
            n=result.n,
        )
        for (name, result, far, fell, rose, _), p in zip(rows, adjusted, strict=True)
    ]


def _watched(before: Results, after: Results, gate: Gate, left_out: set[str]) -> list[Watched]:
    """Every other clip metric that both have."""
    decide = left_out.union(entry.metric for entry in gate.gates)
    found = []
    for name in before.scores:
        if name in decide or name not in after.scores:
            continue
        result = _compared(name, before, after)
        if isinstance(result, Comparison):
            low, high = result.bounds(0.025)
            found.append(
                Watched(
                    name=name, before=result.before, after=result.after, gain=result.gain,
                    low=low, high=high, n=result.n, real=_real(after, name),
                )
            )  # fmt: skip
    return found
