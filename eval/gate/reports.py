"""A judgement as Markdown, JSON, JUnit XML and HTML. Names in it come from users: each writer
escapes them for its format.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree

from eval.gate.findings import Finding
from eval.gate.regression import Judgement
from eval.report.numbers import cell, code, finite, number, plus
from eval.report.page import fill
from eval.results.comparable import other_devices
from eval.results.conditions import described
from manifests.config import as_dict
from manifests.counting import count

_FACTS = ("system", "checkpoint", "protocol_hash", "clip_list_hash", "dataset_hash", "code_version")


def facts(info: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies one side."""
    return {name: info.get(name) for name in _FACTS}


def as_json(judged: Judgement) -> str:
    """Everything, for programs; numbers that are not finite are null."""
    content = {
        "verdict": judged.verdict,
        "clips": judged.clips,
        "gate": as_dict(judged.gate),
        "baseline": facts(judged.baseline),
        "candidate": facts(judged.candidate),
        "findings": [asdict(finding) for finding in judged.findings],
        "watched": [asdict(row) for row in judged.watched],
        "skipped": judged.skipped,
        "other_conditions": judged.other,
    }
    return json.dumps(finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_markdown(judged: Judgement) -> str:
    """For a pull request's comment or a job's summary."""
    old, new = judged.baseline, judged.candidate
    level = 100 - 200 * judged.gate.alpha
    lines = [
        f"## {judged.verdict}: {cell(new['system'])} against {cell(old['system'])}",
        "",
        f"{count(judged.clips, 'clip')}, gate {code(judged.gate.name)} v{judged.gate.version}, "
        f"protocol {code(old['protocol_hash'])}. Gains are in the metric's unit; positive is "
        "better.",
        "",
        "| | metric | real | baseline | candidate | gain "
        f"| {level:g} % interval | margin | clips | |",
        "|---|---|--:|--:|--:|--:|:-:|--:|--:|---|",
    ]
    lines += [
        f"| {row.verdict} | `{row.name}` | {number(row.real)} | {number(row.before)} "
        f"| {number(row.after)} | {plus(row.gain)} | {_between(row.low, row.high)} "
        f"| {number(row.margin, 3)} | {row.n} | {cell(row.text)} |"
        for row in judged.findings
        if row.kind == "metric"
    ]
    lines += ["", "| | check | |", "|---|---|---|"]
    lines += [
        f"| {row.verdict} | {row.kind}: {row.name} | {cell(row.text)} |"
        for row in judged.findings
        if row.kind != "metric"
    ]
    if judged.watched:
        lines += ["", "<details><summary>Watched only; not part of the verdict</summary>", ""]
        lines += ["| metric | real | baseline | candidate | gain | 95 % interval | clips |"]
        lines += ["|---|--:|--:|--:|--:|:-:|--:|"]
        lines += [
            f"| `{row.name}` | {number(row.real)} | {number(row.before)} | {number(row.after)} "
            f"| {plus(row.gain)} | {_between(row.low, row.high)} | {row.n} |"
            for row in judged.watched
        ]
        lines += ["", "</details>"]
    if judged.skipped:
        lines += ["", f"Not measured, decides nothing: {_skipped_md(judged)}."]
    if judged.other:
        lines += ["", "Not compared:", ""]
        lines += [f"- {cell(line)}" for line in described(judged.other)]
    devices = other_devices({"baseline": judged.baseline, "candidate": judged.candidate})
    lines += [line for one in devices for line in ("", cell(one))]
    return "\n".join(lines) + "\n"


def unmeasured(judged: Judgement) -> list[tuple[list[str], str]]:
    """Metrics of the gate that were not measured, those of one reason together."""
    found: dict[str, list[str]] = {}
    for name, why in judged.skipped.items():
        found.setdefault(why, []).append(name)
    return [(names, why) for why, names in found.items()]


def _skipped_md(judged: Judgement) -> str:
    return "; ".join(
        f"{', '.join(f'`{name}`' for name in names)} ({cell(why)})"
        for names, why in unmeasured(judged)
    )


def _between(low: float | None, high: float | None) -> str:
    return f"{plus(low)} … {plus(high)}"


def as_junit(judged: Judgement) -> str:
    """One test a finding, for CI systems; what is inconclusive is an error, not a failure."""
    suite = ElementTree.Element("testsuite", name=_text(f"dawn regress {judged.gate.name}"))
    failures = errors = 0
    for row in judged.findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"regress.{row.kind}", name=_text(row.name), time="0"
        )
        if row.verdict == "FAIL":
            failures += 1
            ElementTree.SubElement(case, "failure", message=_text(_line(row)))
        elif row.verdict == "INCONCLUSIVE":
            errors += 1
            ElementTree.SubElement(case, "error", message=_text(_line(row)))
    for name, why in judged.skipped.items():
        case = ElementTree.SubElement(
            suite, "testcase", classname="regress.metric", name=_text(name), time="0"
        )
        ElementTree.SubElement(case, "skipped", message=_text(why))
    counts = {"failures": failures, "errors": errors, "skipped": len(judged.skipped)}
    suite.attrib |= {name: str(count) for name, count in counts.items()}
    suite.set("tests", str(len(judged.findings) + len(judged.skipped)))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _line(row: Finding) -> str:
    if row.gain is None:
        return row.text
    return (
        f"{row.text}: {number(row.before)} -> {number(row.after)}, gain {plus(row.gain)}, "
        f"margin {number(row.margin, 3)}, {count(row.n, 'clip')}"
    )


def _text(text: str) -> str:
    """Without characters that XML cannot hold at all."""
    return "".join(
        c if c in "\t\n\r" or 0x20 <= ord(c) <= 0xD7FF or 0xE000 <= ord(c) <= 0xFFFD
        or ord(c) >= 0x10000 else "\ufffd"
        for c in text
    )  # fmt: skip


def as_html(judged: Judgement) -> str:
    """A page that stands alone."""
    other = described(judged.other)
    sides = (("Baseline", facts(judged.baseline)), ("Candidate", facts(judged.candidate)))
    return fill(
        "regression.html.j2", judged=judged, sides=sides, other=other, unmeasured=unmeasured(judged)
    )


WRITERS: Mapping[str, tuple[str, Callable[[Judgement], str]]] = {
    "md": ("md", as_markdown),
    "json": ("json", as_json),
    "junit": ("xml", as_junit),
    "html": ("html", as_html),
}
"""Format -> the file's suffix and its writer."""
