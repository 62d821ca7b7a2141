"""Prints docs/dataset.md's tables from the schema, so that they cannot drift.

`python -m manifests.document docs/dataset.md` rewrites the part between the two marks.
"""

import sys
from pathlib import Path

import pyarrow as pa

from manifests.macros import MACROS
from manifests.reasons import Quarantine, Rejection
from manifests.schema import COLUMNS, Column

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"

_PURPOSE = {
    "videos": "One row for each distinct source file. Written last for a video: it is the commit.",
    "clips": "One row for each face track.",
    "frames": "One row a frame at 25 fps of each clip.",
    "audio": "One row a frame of each clip: audio features aligned to it.",
    "decisions": "One row for each clip and filter.",
}


def tables() -> str:
    """All tables, reasons and macros as Markdown."""
    parts = [f"### `{name}`\n\n{_PURPOSE[name]}\n\n{_table(COLUMNS[name])}" for name in COLUMNS]
    reasons = [
        f"| {status} | `{reason}` | {reason.meaning} |"
        for status, kinds in (("quarantined", Quarantine), ("rejected", Rejection))
        for reason in kinds
    ]
    parts.append(
        "### Reasons\n\n| status | reason | meaning |\n|---|---|---|\n" + "\n".join(reasons)
    )
    macros = [f"| `{signature}` | {meaning} |" for signature, (meaning, _) in MACROS.items()]
    parts.append("### Macros\n\n| macro | gives |\n|---|---|\n" + "\n".join(macros))
    return "\n\n".join(parts)


def updated(document: str) -> str:
    """A document with its generated part renewed."""
    head, rest = document.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{tables()}\n\n{END}{tail}"


def _table(columns: tuple[Column, ...]) -> str:
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    for column in columns:
        null = " or null" if column.nullable else ""
        kind = f"{_type(column.type)}{null}"
        lines.append(f"| `{column.name}` | {kind} | {column.unit} | {column.meaning} |")
    return "\n".join(lines)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"{_type(kind.value_type)}[{kind.list_size}]"
    if pa.types.is_list(kind):
        return f"{_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{field.name} {_type(field.type)}" for field in kind) + "}"
    return {"float": "float32", "double": "float64"}.get(str(kind), str(kind))


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
