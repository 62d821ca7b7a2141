"""The board where results are looked for: a static Space and model cards of the Hugging Face Hub.

Only folders are written; pushing them is the user's (`hf upload`). The formats:
https://huggingface.co/docs/hub/spaces-config-reference, /model-cards and /eval-results.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from eval.leaderboard.board import Board, Column, Sheet
from eval.leaderboard.cells import Cell
from eval.leaderboard.exports import as_markdown
from eval.report.numbers import number

_FILE = ".eval_results/dawn-pipeline.yaml"


def space_readme(board: Board) -> str:
    """README.md of a static Space: its settings, then the headline numbers."""
    settings = {
        "title": board.title[:60],
        "colorFrom": "blue",
        "colorTo": "green",
        "sdk": "static",
        "app_file": "index.html",
        "pinned": False,
        "short_description": "Talking heads compared, with intervals",
        "tags": ["leaderboard"],
    }
    return f"---\n{_yaml(settings)}---\n\n{as_markdown(board)}"


def model_cards(board: Board, dataset: str | None) -> dict[str, str]:
    """By path: README.md and the evaluation results of each system, in a folder of its own.
    `dataset` is the benchmark's name on the Hub; without it the reference's name stands there.
    """
    files: dict[str, str] = {}
    for sheet in board.sheets:
        for entry in sheet.entries:
            folder = _folder(entry.name, {path.split("/")[0] for path in files})
            if not entry.ranked:
                continue
            measured = list(_measured(sheet, entry.name))
            if not measured:
                continue
            benchmark = dataset or str(sheet.facts["reference"] or "unknown").partition(":")[0]
            files[f"{folder}/README.md"] = _card(sheet, entry.name, measured, benchmark)
            files[f"{folder}/{_FILE}"] = _yaml(
                [
                    {
                        "dataset": {"id": benchmark, "task_id": column.definition.name},
                        "value": cell.value,
                        "date": board.made_at,
                        "notes": _notes(sheet, cell),
                    }
                    for column, cell in measured
                ]
            )
    return files


def _measured(sheet: Sheet, system: str) -> Iterator[tuple[Column, Cell]]:
    place = [entry.name for entry in sheet.entries].index(system)
    for column in sheet.columns:
        cell = column.cells[place]
        if cell is not None and cell.value is not None:
            yield column, cell


def _notes(sheet: Sheet, cell: Cell) -> str:
    between = ""
    if cell.low is not None:
        between = f"95 % interval [{number(cell.low, 3)}, {number(cell.high, 3)}]; "
    return (
        f"{between}{cell.n} of {cell.n_total} clips; {cell.status} measure; protocol "
        f"{sheet.card['name']} v{sheet.card['version']} ({sheet.protocol_hash}); conditions "
        f"{cell.conditions_hash}; clip list {sheet.facts['clip_list_hash']}"
    )


def _card(sheet: Sheet, system: str, measured: list[tuple[Column, Cell]], benchmark: str) -> str:
    """The part of a model card that holds results; the rest is the model's maker's to write."""
    metrics = [
        {"type": c.definition.name, "name": c.definition.title, "value": cell.value}
        for c, cell in measured
    ]
    result = {
        "task": {"type": "image-to-video", "name": "Talking head"},
        "dataset": {"type": benchmark, "name": str(sheet.facts["reference"])},
        "metrics": metrics,
    }
    head: dict[str, Any] = {
        "pipeline_tag": "image-to-video",
        "tags": ["talking-head"],
        "model-index": [{"name": system, "results": [result]}],
    }
    lines = ["## Evaluation", ""]
    lines += [f"{text}\n" for text in sheet.summary.sentences]
    lines += ["| measure | number | 95 % interval | clips |", "|---|--:|:-:|--:|"]
    lines += [
        f"| {c.definition.title.replace('|', chr(92) + '|')} | {number(cell.value)} "
        f"| [{number(cell.low, 3)}, {number(cell.high, 3)}] | {cell.n} of {cell.n_total} |"
        for c, cell in measured
    ]
    return f"---\n{_yaml(head)}---\n\n" + "\n".join(lines) + "\n"


def _folder(name: str, taken: set[str]) -> str:
    """A name as a folder, unlike those that are taken."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "system"
    number_, found = 2, plain
    while found in taken:
        found, number_ = f"{plain}-{number_}", number_ + 1
    return found


def _yaml(value: Any) -> str:  # noqa: ANN401 - any YAML value
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
