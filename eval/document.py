"""Prints docs/metrics.md's lists from the metrics' own definitions, so that they cannot drift.

`python -m eval.document docs/metrics.md` rewrites the part between the two marks.
"""

import sys
from pathlib import Path

from eval.metrics.catalogue import METRICS, is_set, weights_of
from eval.metrics.interface import ClipMetric, Reason, SetMetric
from eval.protocol.card import SHIPPED, shipped_text

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"

_BETTER = {"higher": "higher", "lower": "lower", "closer": "closer to real"}


def lists() -> str:
    """All metrics, reasons and cards as Markdown."""
    head = "| name | better | status | needs | kind |\n|---|---|---|---|---|"
    parts = ["## All metrics", "\n".join([head, *map(_line, METRICS)])]
    parts += ["## Definitions", *map(_definition, METRICS)]
    reasons = "\n".join(f"| `{reason}` | {reason.meaning} |" for reason in Reason)
    parts += ["## Why a clip is left out", f"| reason | meaning |\n|---|---|\n{reasons}"]
    cards = [f"### `{name}`\n\n```yaml\n{shipped_text(name).strip()}\n```" for name in SHIPPED]
    return "\n\n".join([*parts, "## Cards", *cards])


def updated(document: str, content: str, begin: str = BEGIN, end: str = END) -> str:
    """A document with the part between two marks renewed."""
    head, rest = document.split(begin)
    _, tail = rest.split(end)
    return f"{head}{begin}\n\n{content}\n\n{end}{tail}"


def _line(metric: SetMetric | ClipMetric) -> str:
    definition = metric.definition
    needs = ", ".join(f"`{name}`" for name in weights_of(metric)) or "–"
    kind = "set" if is_set(metric) else "clip"
    better = _BETTER[definition.direction]
    return f"| `{definition.name}` | {better} | {definition.status} | {needs} | {kind} |"


def _definition(metric: SetMetric | ClipMetric) -> str:
    definition = metric.definition
    lines = [
        f"### `{definition.name}`: {definition.title}",
        "",
        f"- **formula**: {definition.formula}",
        f"- **range**: {definition.range}" + (f" {definition.unit}" if definition.unit else ""),
        f"- **source**: {definition.source}",
    ]
    if definition.divergences:
        lines.append(f"- **others**: {definition.divergences}")
    return "\n".join(lines)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8"), lists()), encoding="utf-8")
