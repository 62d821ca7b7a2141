"""The board as one HTML file that needs nothing beside it."""

import math
import shlex
from collections.abc import Sequence
from typing import get_args

from eval.leaderboard.bench import mebibytes, query_fit, shown_command, staircase
from eval.leaderboard.bench import query as query_speed
from eval.leaderboard.bench import row_of as bench_of
from eval.leaderboard.board import Board, Column, Sheet
from eval.leaderboard.cells import Cell, cost
from eval.leaderboard.chart import bands, by_rank, column_of
from eval.leaderboard.fragility import query as query_fragility
from eval.leaderboard.fragility import share, share_rank, turned
from eval.leaderboard.groups import BOUNDS
from eval.leaderboard.overview import meaning
from eval.leaderboard.packed import clip_data
from eval.leaderboard.subgroups import query as query_by
from eval.leaderboard.subgroups import sentence as gap_sentence
from eval.leaderboard.subgroups import shown as gaps_shown
from eval.metrics.interface import Family
from eval.report.charts import Span, log_span
from eval.report.page import fill
from eval.results.subgroups import Between, Row
from eval.speed.groups import BenchGroup
from eval.speed.runs import FEWEST_FOR_P95
from eval.votes.following import Following
from eval.votes.report import sentences


def as_html(board: Board, remake: Sequence[str] = ()) -> str:
    """The page. `remake` is the command that makes it again."""
    return fill(
        "leaderboard.html.j2",
        script="leaderboard.js",
        styles=("style.css", "leaderboard.css"),
        board=board,
        clip_data=[clip_data(sheet) for sheet in board.sheets],
        bounds=BOUNDS,
        families=_families,
        row_of=_row_of,
        cost=_cost,
        by_rank=by_rank,
        bands=bands,
        column_of=column_of,
        joined=_joined,
        vote_sentences=sentences,
        followed=_followed,
        meaning=meaning,
        gaps=_gaps,
        gap_sentence=gap_sentence,
        query_by=query_by,
        turned=turned,
        share_rank=share_rank,
        query_fragility=query_fragility,
        share=share,
        query_speed=query_speed,
        query_fit=query_fit,
        bench_of=bench_of,
        shown_command=shown_command,
        speed_span=_speed_span,
        staircase=staircase,
        mebibytes=mebibytes,
        fewest_for_p95=FEWEST_FOR_P95,
        command=shlex.join,
        remake=shlex.join(remake),
    )


def _families(sheet: Sheet) -> list[str]:
    """The choices of columns, the first of them chosen: `Main` where it says enough."""
    shown = [column.definition for column in sheet.columns if column.shown]
    found = [name for name in get_args(Family) if any(d.family == name for d in shown)]
    main = sum(definition.headline for definition in shown)
    return ["Main", "All", *found] if 3 <= main < len(shown) else ["All", *found]


def _speed_span(group: BenchGroup) -> Span:
    """The same for all plots of a group."""
    drawn = [point for plot in group.plots for point in plot.points]
    return log_span(bound for point in drawn for bound in (point.work, point.work_high))


def _row_of(sheet: Sheet, system: str) -> int:
    return [entry.name for entry in sheet.entries].index(system)


def _gaps(sheet: Sheet) -> list[tuple[Row, Between]]:
    ranked = [entry.name for entry in sheet.entries if entry.ranked]
    return gaps_shown(sheet.subgroups, ranked) if sheet.subgroups else []


def _followed(sheet: Sheet, metric: str) -> Following | None:
    """How a measure follows people, over all clips."""
    rows = sheet.votes.main.following if sheet.votes else []
    return next((row for row in rows if row.metric == metric and row.subgroup == "all"), None)


def _joined(column: Column) -> str:
    """All queries of a measure as one text."""
    return "\n\n".join(f"-- {' '.join(what.split())}\n{sql};" for what, sql in column.queries)


def _cost(name: str, cell: Cell) -> str:
    """What a column is sorted by: less is better."""
    found = cost(name, cell)
    return f"{found:.9g}" if math.isfinite(found) else ""
