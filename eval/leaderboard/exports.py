"""The board as Markdown, CSV, LaTeX and JSON. Names in it come from users: each writer escapes
them for its format.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eval.leaderboard.bench import as_dict as bench_as_dict
from eval.leaderboard.bench import as_markdown as bench_as_markdown
from eval.leaderboard.board import Board, Column, Sheet
from eval.leaderboard.cells import Cell
from eval.leaderboard.fragility import as_dict as fragility_as_dict
from eval.leaderboard.fragility import as_markdown as fragility_as_markdown
from eval.leaderboard.groups import BOUNDS, Entry
from eval.leaderboard.subgroups import as_dict as subgroups_as_dict
from eval.leaderboard.subgroups import as_markdown as subgroups_as_markdown
from eval.report.numbers import cell as md_cell
from eval.report.numbers import code, finite, number, spreadsheet
from eval.votes.report import as_dict as votes_as_dict
from manifests.counting import count

ARROWS = {"higher": "↑", "lower": "↓", "closer": "→ real"}
_TEX_ARROWS = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "closer": r"$\to$ real"}
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip

STANDINGS = "(own): a measure of ours; (proxy): a stand-in; neither compares with published numbers"

CSV_COLUMNS = (
    "table", "reference", "clip_list_hash", "protocol_hash", "system", "kind", "results",
    "checkpoint", "metric", "conditions_hash", "direction", "unit", "value", "low", "high", "real",
    "n", "n_total", "status", "reason", "rank", "best", "tied",
)  # fmt: skip


def headline(sheet: Sheet) -> list[Column]:
    """The columns of printed tables: the headline ones, or all where there are few of those."""
    shown = [column for column in sheet.columns if column.shown]
    main = [column for column in shown if column.definition.headline]
    return main if len(main) >= 3 else shown


def as_csv(board: Board) -> str:
    """A row a system and metric; rows of different tables may not be compared."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for table, sheet in enumerate(board.sheets, start=1):
        for entry, column, cell in _cells(sheet):
            definition = column.definition
            writer.writerow(
                spreadsheet(value)
                for value in (
                    table, sheet.facts["reference"], sheet.facts["clip_list_hash"],
                    sheet.protocol_hash, entry.name, entry.kind, entry.where,
                    entry.results.info.get("checkpoint"), cell.metric, cell.conditions_hash,
                    definition.direction,
                    definition.unit, cell.value, cell.low, cell.high, cell.reference, cell.n,
                    cell.n_total, cell.status, cell.reason, cell.rank, cell.best, cell.tied,
                )
            )  # fmt: skip
    return file.getvalue()


def _cells(sheet: Sheet) -> Iterator[tuple[Entry, Column, Cell]]:
    for place, entry in enumerate(sheet.entries):
        for column in sheet.columns:
            cell = column.cells[place]
            if cell is not None:
                yield entry, column, cell


def as_markdown(board: Board) -> str:
    """The headline numbers, for a README or a pull request."""
    lines = [f"# {md_cell(board.title)}", ""]
    for sheet in board.sheets:
        columns = headline(sheet)
        if sheet.apart:
            lines += [*(f"- shown apart: {md_cell(reason)}" for reason in sheet.apart), ""]
        lines += [
            f"{count(sheet.facts['clips'], 'clip')}, reference "
            f"{code(sheet.facts['reference'])}, protocol "
            f"{code(sheet.card['name'])} v{sheet.card['version']}, hash "
            f"{code(sheet.protocol_hash)}{_md_caveat(sheet)}. Numbers with 95 % intervals; "
            "**bold**: best; =: a paired test does not show it worse than the best; "
            f"{STANDINGS}; a count: the clips that have a number, where not all have.",
            "",
            "| system | " + " | ".join([*_md_people(sheet), *map(_md_head, columns)]) + " |",
            "|---|" + "--:|" * (len(columns) + len(_md_people(sheet))),
        ]
        for place, entry in enumerate(sheet.entries):
            cells = [*_md_votes(sheet, entry), *(_md_number(c.cells[place]) for c in columns)]
            name = md_cell(entry.name) if entry.ranked else f"*{md_cell(entry.name)}*"
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        bounds = [entry for entry in sheet.entries if not entry.ranked]
        lines += ["", *(f"- *{md_cell(e.name)}*: {BOUNDS[e.kind]}" for e in bounds), ""]
        lines += [*(f"- left out: {md_cell(line)}" for line in sheet.other), ""]
        lines += [*(f"- {md_cell(line)}" for line in sheet.devices), ""]
        lines += [*subgroups_as_markdown(sheet), *fragility_as_markdown(sheet)]
        lines += bench_as_markdown(sheet)
    return "\n".join(lines).rstrip() + "\n"


def _md_people(sheet: Sheet) -> list[str]:
    return [f"people: {md_cell(sheet.votes.main.question)} ↑"] if sheet.votes else []


def _md_votes(sheet: Sheet, entry: Entry) -> list[str]:
    if sheet.votes is None:
        return []
    found = sheet.votes.main.of(entry.name)
    return ["–" if found is None else f"{found.strength:+.2f} [{found.low:.2f}, {found.high:.2f}]"]


def _md_caveat(sheet: Sheet) -> str:
    return f"; {sheet.facts['caveat']}" if sheet.facts["caveat"] else ""


def _md_head(column: Column) -> str:
    return f"{column.definition.name}{_standing(column)} {ARROWS[column.definition.direction]}"


def _standing(column: Column) -> str:
    return "" if column.status == "paper" else f" ({column.status})"


def _md_number(cell: Cell | None) -> str:
    if cell is None or cell.value is None:
        return "–"
    text = number(cell.value)
    text = f"**{text}**" if cell.best else f"{text} =" if cell.tied else text
    if cell.low is not None:
        text += f" [{number(cell.low, 3)}, {number(cell.high, 3)}]"
    return f"{text} {cell.n}/{cell.n_total}" if cell.n < cell.n_total else text


def as_latex(board: Board) -> str:
    """Tables for a paper (needs the package booktabs)."""
    parts = [r"% \usepackage{booktabs}"]
    for sheet in board.sheets:
        columns = headline(sheet)
        heads = [_tex_head(column) for column in columns]
        caption = (
            f"{_tex(board.title)}: {count(sheet.facts['clips'], 'clip')}, protocol "
            f"{_tex(sheet.card['name'])} ({_tex(sheet.protocol_hash)}). Bold: best; $\\sim$: a "
            f"paired test does not show it worse than the best; {STANDINGS}; $\\dagger$: not all "
            "clips have a number."
        )
        parts += [
            r"\begin{table}", r"\centering", f"\\caption{{{caption}}}",
            f"\\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule",
            " & ".join(["System", *heads]) + r" \\", r"\midrule",
        ]  # fmt: skip
        ruled = False
        for place, entry in enumerate(sheet.entries):
            if not entry.ranked and not ruled:
                parts.append(r"\midrule")
                ruled = True
            cells = [_tex_number(column.cells[place]) for column in columns]
            # The braces keep a name's [ or * from being taken for an option of the rule above.
            parts.append(" & ".join([f"{{}}{_tex(entry.name)}", *cells]) + r" \\")
        parts += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join(parts)


def _tex_head(column: Column) -> str:
    name = _tex(column.definition.name)
    return f"{name}{_standing(column)} {_TEX_ARROWS[column.definition.direction]}"


def _tex(text: object) -> str:
    return "".join(_TEX.get(c, c) for c in " ".join(str(text).split()))


def _tex_number(cell: Cell | None) -> str:
    if cell is None or cell.value is None:
        return "--"
    text = number(cell.value)
    if cell.best:
        text = f"\\textbf{{{text}}}"
    elif cell.tied:
        text += r"$\sim$"
    return text + r"$^\dagger$" if cell.n < cell.n_total else text


def as_json(board: Board) -> str:
    """Everything but videos, for programs; numbers that are not finite are null."""
    content = {
        "title": board.title,
        "made_at": board.made_at,
        "sheets": [_sheet(sheet) for sheet in board.sheets],
        "published": [asdict(table) for table in board.published],
    }
    return json.dumps(finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _sheet(sheet: Sheet) -> dict[str, Any]:
    return {
        "protocol_hash": sheet.protocol_hash,
        "protocol": sheet.card,
        "apart": sheet.apart,
        "other_conditions": sheet.other,
        "other_devices": sheet.devices,
        "facts": sheet.facts,
        "rows": [
            {
                "system": entry.name,
                "kind": entry.kind,
                "results": entry.where,
                "checkpoint": entry.results.info.get("checkpoint"),
                "credentials": sheet.credentials.get(entry.name),
                "command": entry.results.info.get("command"),
            }
            for entry in sheet.entries
        ],
        "metrics": [_column(column, sheet.entries) for column in sheet.columns],
        "drift": {
            "width_s": sheet.drift_width_s,
            "rows": [asdict(row) for row in sheet.drift],
        },
        "speed": [asdict(row) for row in sheet.speed],
        "failures": [asdict(row) for row in sheet.failures],
        "queries": sheet.queries,
        "summary": asdict(sheet.summary),
        "votes": votes_as_dict(sheet.votes) if sheet.votes else None,
        "subgroups": subgroups_as_dict(sheet.subgroups) if sheet.subgroups else None,
        "sensitivity": fragility_as_dict(sheet.fragility) or None,
        "bench": bench_as_dict(sheet.bench) or None,
    }


def _column(column: Column, entries: Sequence[Entry]) -> dict[str, Any]:
    pairs = zip(entries, column.cells, strict=True)
    return {
        "metric": column.definition.name,
        "status": column.status,
        "conditions": column.conditions,
        "direction": column.definition.direction,
        "unit": column.definition.unit,
        "cells": {entry.name: asdict(cell) for entry, cell in pairs if cell is not None},
        "differences": [asdict(row) for row in column.differences],
        "distributions": [asdict(row) for row in column.distributions],
        "slices": [asdict(part) for part in column.slices],
        "floor": asdict(column.floor) if column.floor else None,
        "queries": dict(column.queries),
    }


EXPORTS: Mapping[str, tuple[str, Callable[[Board], str]]] = {
    "md": ("leaderboard.md", as_markdown),
    "csv": ("leaderboard.csv", as_csv),
    "latex": ("leaderboard.tex", as_latex),
    "json": ("leaderboard.json", as_json),
}
"""Format -> the file's name and its writer."""
