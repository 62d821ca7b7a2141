"""`dawn query`: runs one SELECT over a dataset, runs or both, and writes what it gives."""

import csv
import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from manifests.catalog import query
from manifests.errors import InputError
from manifests.run_catalog import Conventions, query_runs
from manifests.run_search import Kind
from manifests.store import Dataset
from pipeline.info_names import GENERATIONS, TRAINING
from pipeline.progress import console

FORMATS = ("table", "csv", "json", "parquet")
_SHOWN = 50
_SHOWN_TALL = 3
_LEAST_WIDTH = 8
"""Characters below which a column cannot be read."""


def run_query(
    root: str | None, sql: str, output: str, out: Path | None, runs: Sequence[str] = ()
) -> None:
    """Print or write the answer of a query over a dataset, folders of runs, or both.

    Raises InputError for folders that are none of these and for SQL that is refused or fails.
    """
    if output not in FORMATS:
        raise InputError(f"--format {output}: give one of {', '.join(FORMATS)}")
    if output == "parquet" and out is None:
        raise InputError("--format parquet: say where with --out FILE")
    answer = _ask(root, runs, sql)
    if output == "parquet":
        pq.write_table(answer, out)
    elif out is not None:
        with out.open("w", newline="", encoding="utf-8") as file:
            write_rows(answer, output, file)
    elif output == "table":
        show(answer)
    else:
        write_rows(answer, output, sys.stdout)


def _ask(root: str | None, runs: Sequence[str], sql: str) -> pa.Table:
    dataset = None
    if root is not None:
        dataset = Dataset(root)
        dataset.info()
    try:
        if runs:
            return query_runs(sql, runs, conventions(), dataset)
        if dataset is not None:
            return query(dataset, sql)
    except InputError as error:
        if "Catalog Error" not in str(error):
            raise
        hint = "`dawn query --help` says which views are of --dataset and which of --runs"
        raise InputError(f"{error} {hint}") from error
    raise InputError("nothing to query: give --dataset ROOT, --runs FOLDER, or both")


def conventions() -> Conventions:
    """What `--runs` finds, and what its metrics mean: from where each is defined."""
    from eval.metrics.catalogue import METRICS, is_set
    from eval.results.stored import INFO, SET
    from eval.speed.runs import INFO as SPEED

    kinds = (
        Kind("results", INFO, "protocol_hash"),
        Kind("generations", GENERATIONS, "settings_hash"),
        Kind("training", TRAINING, "recipe_hash"),
        Kind("speed", SPEED, "time_limit_s"),
    )
    definitions = [
        {
            "metric": metric.definition.name,
            "title": metric.definition.title,
            "direction": metric.definition.direction,
            "unit": metric.definition.unit,
            "set_metric": is_set(metric),
            "status": metric.definition.status,
            "place": place,
        }
        for place, metric in enumerate(METRICS)
    ]
    return Conventions(kinds, definitions, SET)


def show(answer: pa.Table) -> None:
    """Print a table; long ones and long cells are cut, and say so. Rows too wide for the screen
    are printed one column a line.
    """
    names = answer.column_names
    upright = len(names) * _LEAST_WIDTH <= console.width
    shown = _SHOWN if upright else _SHOWN_TALL
    rows = answer.slice(0, shown).to_pylist()
    table = Table(*names) if upright else Table("column", *(f"row {i}" for i in range(len(rows))))
    if upright:
        for row in rows:
            table.add_row(*(_cell(value) for value in row.values()))
    else:
        for name in names:
            table.add_row(name, *(_cell(row[name]) for row in rows))
    console.print(table)
    if answer.num_rows > shown:
        console.print(f"{shown} of {answer.num_rows} rows; --format csv gives all")


def _cell(value: Any) -> str:  # noqa: ANN401 - any SQL value
    from rich.markup import escape

    if isinstance(value, float):
        return f"{value:.6g}"
    text = "" if value is None else str(value)
    return escape(text if len(text) <= 60 else f"{text[:57]}…")


def _plain(value: object) -> object:
    """A SQL value that JSON has no word for: whole decimals are integers, the rest is text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def write_rows(answer: pa.Table, output: str, file: IO[str]) -> None:
    """Write a table as csv or json. Raises InputError for another format."""
    rows = answer.to_pylist()
    if output == "csv":
        writer = csv.writer(file)
        writer.writerow(answer.column_names)
        writer.writerows(list(row.values()) for row in rows)
    elif output == "json":
        json.dump(rows, file, indent=1, default=_plain)
        file.write("\n")
    else:
        raise InputError("--format table: it is for the screen; give csv or json with --out")
