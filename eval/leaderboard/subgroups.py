"""A table's numbers by columns of its clips: what the page and the exports show of them."""
# ruff: noqa: S608 - texts to be shown; nothing here runs them

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from eval.leaderboard.board import Board, Sheet
from eval.leaderboard.queries import MEASURES
from eval.report.numbers import cell as md_cell
from eval.report.numbers import number, p_value, spreadsheet
from eval.results.columns import Grouping
from eval.results.subgroups import Between, Row, Subgroups, subgroups
from manifests.safe_sql import quoted

CSV = "leaderboard-groups.csv"
_COLUMNS = (
    "table", "column", "group", "system", "metric", "value", "low", "high", "real", "clips",
    "speakers", "why",
)  # fmt: skip


def with_subgroups(board: Board, groupings: Sequence[Grouping], fewest: int) -> Board:
    """The board with each table's numbers by these columns; real halves have other clips."""
    return replace(
        board,
        sheets=[replace(sheet, subgroups=_of(sheet, groupings, fewest)) for sheet in board.sheets],
    )


def _of(sheet: Sheet, groupings: Sequence[Grouping], fewest: int) -> Subgroups:
    chosen = [e for e in sheet.entries if e.ranked or e.kind in ("real", "static")]
    systems = {entry.name: entry.results for entry in chosen or sheet.entries}
    return subgroups(systems, groupings, fewest)


def sentence(row: Row, found: Between) -> str:
    """A gap in words."""
    unit = f" {row.definition.unit}" if 0 < len(row.definition.unit) < 10 else ""
    apart = " from the real clips'" if row.definition.direction == "closer" else ""
    return (
        f"{row.system}: {row.definition.title}{apart} is {number(found.gap, 3)}{unit} "
        f"[{number(found.low, 3)}, {number(found.high, 3)}] higher for {row.by} {found.more} than "
        f"for {found.less}, p {p_value(found.p)}"
    )


def shown(found: Subgroups, ranked: Sequence[str]) -> list[tuple[Row, Between]]:
    """The gaps of systems that are more than chance, the surest first."""
    gaps = [(row, gap) for row in found.rows if (gap := row.shown) and row.system in ranked]
    return sorted(gaps, key=lambda pair: (pair[1].p, pair[0].definition.name))


def query(sheet: Sheet, found: Grouping) -> str:
    """All numbers by a column as SQL for `dawn query --dataset … --runs …`."""
    names = [c.definition.name for c in sheet.columns if c.shown and c.definition.name in MEASURES]
    forms: dict[str, list[str]] = {}
    for name in names:
        forms.setdefault(MEASURES[name].together.sql.format(value="value"), []).append(name)
    cases = "".join(
        f"\n         WHEN metric IN ({', '.join(map(quoted, of))}) THEN {form}"
        for form, of in forms.items()
    )
    labels = ", ".join(map(quoted, found.labels))
    return (
        f"WITH of_clip AS (SELECT clip_id, {found.sql} AS part FROM (\n  {found.source}))\n"
        f"SELECT results, system, metric, part, CASE{cases} END AS number,\n"
        "       count(value) AS clips\n"
        "FROM metrics JOIN of_clip USING (clip_id)\n"
        f"WHERE value IS NOT NULL AND part IN ({labels})\n"
        "GROUP BY results, system, metric, part ORDER BY metric, results, part"
    )


def as_csv(board: Board) -> str:
    """A row a table, column, group, system and metric."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for table, sheet in enumerate(board.sheets, start=1):
        for row in sheet.subgroups.rows if sheet.subgroups else []:
            for part in row.parts:
                values = (
                    table, row.by, part.group, row.system, row.definition.name, part.value,
                    part.low, part.high, part.real, part.clips, part.speakers, part.why,
                )  # fmt: skip
                writer.writerow(map(spreadsheet, values))
    return file.getvalue()


def as_markdown(sheet: Sheet) -> list[str]:
    """Gaps that are more than chance and, of the main measures, the largest ones."""
    found = sheet.subgroups
    if found is None:
        return []
    ranked = [entry.name for entry in sheet.entries if entry.ranked]
    lines = ["Whom an average hides: " + md_cell(" ".join(found.sentences)), ""]
    gaps = shown(found, ranked)
    lines += [f"- {md_cell(sentence(row, gap))}" for row, gap in gaps]
    lines += [] if gaps else ["- No gap between groups is shown to be more than chance."]
    head = "| by | metric | system | largest gap | 95 % of all together | p |"
    lines += ["", head, "|---|---|---|---|---|--:|"]
    for row in found.rows:
        gap = row.largest
        if gap is None or row.definition.name not in sheet.summary.measures:
            continue
        names = [row.by, row.definition.name, row.system, f"{gap.more} – {gap.less}"]
        lines.append(
            f"| {' | '.join(map(md_cell, names))}: {number(gap.gap, 3)} | "
            f"[{number(gap.low, 3)}, {number(gap.high, 3)}] | {p_value(gap.p)} |"
        )
    return [*lines, ""]


def as_dict(found: Subgroups) -> dict[str, Any]:
    """For JSON."""
    return {
        "looked_at": found.looked_at,
        "fewest_clips": found.fewest,
        "by_speaker": found.by_speaker,
        "how": found.sentences,
        "columns": [_column(one) for one in found.groupings],
        "rows": [
            {
                "by": row.by,
                "metric": row.definition.name,
                "system": row.system,
                "groups": [asdict(part) for part in row.parts],
                "largest": _gap(row.largest),
                "clearest": _gap(row.clearest),
            }
            for row in found.rows
        ],
    }


def _column(one: Grouping) -> Mapping[str, Any]:
    left = {"unknown": one.unknown, "others": one.others}
    return {"by": one.by, "groups": list(one.labels), "how": one.how, **left}


def _gap(found: Between | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "shown": found.shown}
