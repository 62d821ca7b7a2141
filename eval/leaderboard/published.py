"""Numbers that papers printed: data that ships with the package, never measured here.

`eval/published/*.csv` has a row a number: table, title, set, method, setting, metric, value, note.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One method of a table; `values` are as printed, by the table's columns."""

    set: str
    method: str
    setting: str
    note: str
    values: list[str | None]


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One table of a paper."""

    source: str
    number: str
    title: str
    columns: list[str]
    rows: list[PublishedRow]


SOURCES = {"dawn": "DAWN, ICLR 2025, arXiv 2410.13726v3"}


def published_tables() -> list[PublishedTable]:
    """All of them, as the papers number them."""
    return [table for name, source in SOURCES.items() for table in _read(name, source)]


def _read(name: str, source: str) -> list[PublishedTable]:
    text = (files("eval") / "published" / f"{name}.csv").read_text(encoding="utf-8")
    tables: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in csv.DictReader(text.splitlines()):
        tables.setdefault((row["table"], row["title"]), []).append(row)
    return [_table(source, *key, rows) for key, rows in tables.items()]


def _table(source: str, number: str, title: str, rows: list[dict[str, str]]) -> PublishedTable:
    columns = list(dict.fromkeys(row["metric"] for row in rows))
    lines: dict[tuple[str, str, str, str], dict[str, str]] = {}
    for row in rows:
        key = (row["set"], row["method"], row["setting"], row["note"])
        lines.setdefault(key, {})[row["metric"]] = row["value"]
    return PublishedTable(
        source,
        number,
        title,
        columns,
        [PublishedRow(*key, [v.get(c) for c in columns]) for key, v in lines.items()],
    )
