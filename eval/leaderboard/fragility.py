"""What small changes do to a table's numbers and ranks: for the page and the exports."""
# ruff: noqa: S608 - a text to be shown; nothing here runs it

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from eval.leaderboard.board import Board, Sheet
from eval.report.numbers import cell as md_cell
from eval.report.numbers import number
from eval.sensitivity.cards import (
    FOLDER,
    Fragility,
    Neighbours,
    cards,
    fragility,
    load_changed,
    sentence,
)
from manifests.safe_sql import parts_of


def with_fragility(board: Board) -> Board:
    """The board with what `dawn evaluate --sensitivity` left beside its results."""
    return replace(board, sheets=[replace(sheet, fragility=_of(sheet)) for sheet in board.sheets])


def _of(sheet: Sheet) -> list[Fragility]:
    made = []
    for place, entry in enumerate(sheet.entries):
        changed = load_changed(entry.results)
        cells = {c.definition.name: c.cells[place] for c in sheet.columns}
        widths = {
            name: cell.high - cell.low
            for name, cell in cells.items()
            if cell is not None and cell.low is not None and cell.high is not None
        }
        if changed:
            made += cards(entry.results, changed, widths, entry.name)
    return fragility(made, [entry.name for entry in sheet.entries if entry.ranked])


def turned(sheet: Sheet, metrics: Sequence[str] | None = None) -> list[str]:
    """Ranks that a change turns, in words; of some metrics where these are named. Systems that
    share a rank have none to turn.
    """
    return [
        sentence(one.definition, pair)
        for one in sheet.fragility
        if metrics is None or one.definition.name in metrics
        for pair in one.turned
        if not share_rank(sheet, one, pair)
    ]


def share_rank(sheet: Sheet, one: Fragility, pair: Neighbours) -> bool:
    """Whether the paired test does not tell two neighbours apart."""
    names = [entry.name for entry in sheet.entries]
    column = next(c for c in sheet.columns if c.definition.name == one.definition.name)
    ranks = {c.rank for who in (pair.first, pair.second) if (c := column.cells[names.index(who)])}
    return len(ranks) == 1


def query(sheet: Sheet) -> str:
    """The effects on clips' means as SQL, from the folder that holds the results folders."""
    there = {card.system for one in sheet.fragility for card in one.cards}
    places = [entry.where for entry in sheet.entries if entry.name in there]
    base = parts_of([f"{place}/metrics" for place in places])
    other = parts_of([f"{place}/{FOLDER}" for place in places], "*/metrics/[!.]*.parquet")
    return (
        "WITH base AS (SELECT regexp_extract(filename, '^(.*)/metrics/', 1) AS results, *\n"
        f"  FROM {base} WHERE clip_id IS NOT NULL),\n"
        f"changed AS (SELECT regexp_extract(filename, '^(.*)/{FOLDER}/', 1) AS results,\n"
        f"    regexp_extract(filename, '/{FOLDER}/([^/]*)/', 1) AS change, *\n"
        f"  FROM {other} WHERE clip_id IS NOT NULL)\n"
        "SELECT results, metric, change, avg(changed.value - base.value) AS moved,\n"
        "       avg(coalesce(changed.reference - base.reference, 0)) AS real_moved,\n"
        "       count(*) AS clips\n"
        "FROM changed JOIN base USING (results, metric, clip_id)\n"
        "WHERE changed.value IS NOT NULL AND base.value IS NOT NULL\n"
        "GROUP BY results, metric, change ORDER BY results, metric, change"
    )


def share(value: float | None) -> str:
    """A share in per cent, or as a multiple where it is large."""
    if value is None:
        return "–"
    return f"{value:.0%}" if value < 10 else f"{value:,.0f} times"


def as_table(found: Sequence[Fragility]) -> list[str]:
    """Markdown: a line a metric and system."""
    lines = [
        "| metric | system | number | spread | of its interval | of the distance to the next | "
        "most moved by | ranks turned by |",
        "|---|---|--:|--:|--:|--:|---|---|",
    ]
    for one in found:
        after = {pair.first: pair for pair in one.neighbours}
        for card in one.cards:
            pair = after.get(card.system)
            of_next = card.spread / pair.distance if pair and pair.distance > 0 else None
            most = f"{card.most.title} ({number(card.most.moved, 2)})" if card.spread else "nothing"
            by = [*pair.alike, *(f"{name} on one" for name in pair.alone)] if pair else []
            cells = [f"`{one.definition.name}`", md_cell(card.system), number(card.value, 3)]
            cells += [number(card.spread, 2), share(card.of_interval), share(of_next)]
            cells += [md_cell(most), md_cell(", ".join(by)) or "–"]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def as_markdown(sheet: Sheet) -> list[str]:
    """Turned ranks and, of the main measures, the cards."""
    if not sheet.fragility:
        return []
    lines = ["How fragile the numbers are: small changes of the same videos, measured again.", ""]
    main = sheet.summary.measures
    lines += [f"- {md_cell(text)}" for text in turned(sheet, main)]
    shown = [one for one in sheet.fragility if one.definition.name in main]
    return [*lines, "", *as_table(shown), ""]


def as_dict(found: Sequence[Fragility]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {
            "metric": one.definition.name,
            "systems": {
                card.system: {
                    "number": card.value,
                    "interval_width": card.width,
                    "spread": card.spread,
                    "of_interval": card.of_interval,
                    "effects": [asdict(effect) for effect in card.effects],
                }
                for card in one.cards
            },
            "neighbours": [asdict(pair) for pair in one.neighbours],
        }
        for one in found
    ]
