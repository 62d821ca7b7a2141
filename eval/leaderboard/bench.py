"""Speed of a table's systems as `dawn bench-system` measured it, beside their quality.

Times are compared only where device and inputs are the same: each such group has its own table,
its own plots and its own fronts.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

from eval.leaderboard.board import Board, Sheet
from eval.leaderboard.cells import cost as worse
from eval.leaderboard.names import last_part, public_command
from eval.report.numbers import cell as md_cell
from eval.report.numbers import number, spreadsheet
from eval.speed.groups import BenchGroup, BenchRow, Plot, Point
from eval.speed.runs import TABLE, Timed, front
from manifests.errors import InputError
from manifests.safe_sql import parts_of

CSV = "speed.csv"
PICTURE = "speed"
_PLOTS = 4
"""Main measures that are drawn against speed."""
_CSV_COLUMNS = (
    "device", "group", "system", "voice_s", "runs", "median_s", "p95_s", "worst_s",
    "frames_per_second", "first_frame_s", "startup_s", "startup_low", "startup_high",
    "work_per_second", "work_low", "work_high", "steady_frames_per_second", "peak_memory_bytes",
    "peak_gpu_memory_bytes", "price_per_hour", "cost_per_minute", "failed",
)  # fmt: skip


def with_speed(board: Board, found: Sequence[Timed]) -> Board:
    """The board with speed beside quality. Systems are matched by their names; those of no table
    stand in the first one's without a point.

    Raises InputError where none of them is in a table, or one is twice in a group.
    """
    if not found:
        return board
    named = {entry.name for sheet in board.sheets for entry in sheet.entries}
    if not any(timed.system in named for timed in found):
        asked = ", ".join(sorted({timed.system for timed in found}))
        raise InputError(
            f"--speed: no results are of {asked}; give dawn bench-system --system the name that "
            f"the results have ({', '.join(sorted(named))})"
        )
    sheets = []
    for sheet in board.sheets:
        own = {entry.name for entry in sheet.entries}
        first = sheet is board.sheets[0]
        mine = [t for t in found if t.system in own or (first and t.system not in named)]
        sheets.append(replace(sheet, bench=_groups(sheet, mine, board.price_per_hour)))
    return replace(board, sheets=sheets)


def _groups(sheet: Sheet, found: Sequence[Timed], price: float | None) -> list[BenchGroup]:
    conditions: dict[tuple[str, ...], list[Timed]] = {}
    for timed in found:
        there = conditions.setdefault(timed.conditions, [])
        twice = next((other for other in there if other.system == timed.system), None)
        if twice is not None:
            raise InputError(
                f"--speed {timed.where}: {timed.system} on {timed.device} is in {twice.where}, too"
            )
        there.append(timed)
    return [_group(sheet, rows, price) for rows in conditions.values()]


def _group(sheet: Sheet, found: Sequence[Timed], price: float | None) -> BenchGroup:
    places = {entry.name: place for place, entry in enumerate(sheet.entries)}
    rows = [_row(timed, places.get(timed.system), price) for timed in found]
    rows.sort(key=_work)
    inputs = found[0].info["inputs"]
    return BenchGroup(
        device=found[0].device,
        inputs=f"{last_part(inputs['image'])}, {last_part(inputs['audio'])}",
        rows=rows,
        plots=_plots(sheet, rows),
        left_out=[f"{row.timed.system}: {why}" for row in rows if (why := _no_point(row))],
        sentences=_sentences(rows),
    )


def _row(timed: Timed, place: int | None, price: float | None) -> BenchRow:
    price = timed.price_per_hour or price
    known = timed.fit is not None and price is not None
    cost = timed.fit.cost(60, price) if timed.fit is not None and price is not None else None
    return BenchRow(
        timed=timed,
        place=place,
        price_per_hour=price if known else None,
        cost_per_minute=cost,
    )


def _work(row: BenchRow) -> float:
    fit = row.timed.fit
    return fit.per_second if fit is not None and fit.told else math.inf


def _no_point(row: BenchRow) -> str | None:
    fit = row.timed.fit
    if fit is None:
        return row.timed.no_fit
    if not fit.told:
        return "longer videos are not shown to take longer"
    return "its quality was not measured" if row.place is None else None


def _plots(sheet: Sheet, rows: Sequence[BenchRow]) -> list[Plot]:
    drawn = [row for row in rows if _no_point(row) is None]
    made = []
    for name in sheet.summary.measures[:_PLOTS]:
        column = next(c for c in sheet.columns if c.definition.name == name)
        points, costs = [], []
        for row in drawn:
            cell, fit = column.cells[row.place or 0], row.timed.fit
            if cell is None or cell.value is None or fit is None:
                continue
            costs.append((worse(name, cell), fit.per_second))
            points.append(
                Point(
                    place=row.place or 0, system=row.timed.system, work=fit.per_second,
                    work_low=fit.low, work_high=fit.high, value=cell.value, low=cell.low,
                    high=cell.high, on_front=False,
                )
            )  # fmt: skip
        on = front(costs)
        points = [replace(p, on_front=here) for p, here in zip(points, on, strict=True)]
        if len(points) > 1:
            real = [cell.reference for cell in column.cells if cell and cell.reference is not None]
            closer = column.definition.direction == "closer"
            made.append(Plot(metric=name, points=points, real=real[0] if closer and real else None))
    return made


def _sentences(rows: Sequence[BenchRow]) -> list[str]:
    """Who is fastest, by how much, how sure; and what disturbed the measurement."""
    told = [row for row in rows if math.isfinite(_work(row))]
    said = []
    if told and told[0].timed.fit is not None:
        fit = told[0].timed.fit
        many = f"is the fastest of {len(rows)}: it takes" if len(rows) > 1 else "takes"
        said.append(
            f"{told[0].timed.system} {many} {number(fit.per_second, 3)} s "
            f"[{number(fit.low, 3)}, {number(fit.high, 3)}] of work for a second of video, once it "
            f"has started in {number(fit.fixed_s, 3)} s."
        )
        if len(told) > 1 and told[1].timed.fit is not None:
            other = told[1].timed.fit
            sure = "" if fit.high < other.low else ", which the intervals do not tell apart"
            said.append(
                f"Next is {told[1].timed.system} with {number(other.per_second, 3)} s "
                f"[{number(other.low, 3)}, {number(other.high, 3)}]{sure}."
            )
    loud = [row.timed.system for row in rows if row.timed.disturbed]
    if loud:
        said.append(f"Other programs kept the machine busy during runs of {', '.join(loud)}.")
    bent = [
        row.timed.system for row in rows if row.timed.fit is not None and row.timed.fit.miss > 0.1
    ]
    if bent:
        said.append(
            f"Time is no straight line of length for {', '.join(bent)}: read the lengths' own."
        )
    return said


def shown_command(row: BenchRow) -> list[str]:
    """The system's command as a page may show it."""
    return public_command(row.timed.info["command"])


def staircase(plot: Plot, xs: Sequence[float], ys: Sequence[float]) -> str:
    """The front as an SVG path over a box of 100 x 100, from places in per cent of its points: what
    is below and beside a step is beaten.
    """
    on = sorted((x, y) for x, y, point in zip(xs, ys, plot.points, strict=True) if point.on_front)
    if not on:
        return ""
    steps = [f"H{x:.2f}V{100 - lower:.2f}" for (x, _), (_, lower) in pairwise([*on, (0.0, 0.0)])]
    return f"M0 {100 - on[0][1]:.2f}{''.join(steps)}"


def row_of(sheet: Sheet, place: int) -> list[tuple[BenchGroup, BenchRow]]:
    """A system's times, one a group."""
    return [(g, row) for g in sheet.bench for row in g.rows if row.place == place]


def query(sheet: Sheet) -> str:
    """The times of every run that counts, by system and length."""
    where = sorted({last_part(r.timed.where) for group in sheet.bench for r in group.rows})
    return (
        "SELECT system, device, voice_s, count(*) AS runs, median(wall_s) AS median_s,\n"
        "       max(wall_s) AS worst_s, median(frames / wall_s) AS frames_per_second,\n"
        "       median(first_frame_s) AS first_frame_s\n"
        f"FROM {parts_of([f'{name}/{TABLE}' for name in where])}\n"
        "WHERE number > 0 AND status = 'ok' GROUP BY ALL ORDER BY device, system, voice_s"
    )


def query_fit(sheet: Sheet) -> str:
    """Start-up and work for a second of video."""
    where = sorted({last_part(r.timed.where) for group in sheet.bench for r in group.rows})
    return (
        "SELECT system, device, regr_intercept(wall_s, video_s) AS startup_s,\n"
        "       regr_slope(wall_s, video_s) AS work_per_second\n"
        f"FROM {parts_of([f'{name}/{TABLE}' for name in where])}\n"
        "WHERE number > 0 AND status = 'ok' GROUP BY ALL ORDER BY device, system"
    )


def as_csv(board: Board) -> str:
    """A row a system, device and length; rows of different groups may not be compared."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    groups = [group for sheet in board.sheets for group in sheet.bench]
    for at, group in enumerate(groups, start=1):
        for row in group.rows:
            timed, fit = row.timed, row.timed.fit
            fitted = (
                (fit.fixed_s, fit.fixed_low, fit.fixed_high, fit.per_second, fit.low, fit.high,
                 fit.frames_per_second)
                if fit else (None,) * 7
            )  # fmt: skip
            for one in timed.lengths:
                values = (
                    group.device, at, timed.system, one.voice_s, one.runs, one.median_s, one.p95_s,
                    one.worst_s, one.frames_per_second, one.first_frame_s, *fitted,
                    timed.peak_memory_bytes, timed.peak_gpu_memory_bytes, row.price_per_hour,
                    row.cost_per_minute, timed.failed,
                )  # fmt: skip
                writer.writerow(map(spreadsheet, values))
    return file.getvalue()


def as_markdown(sheet: Sheet) -> list[str]:
    """A table a group."""
    lines = []
    for group in sheet.bench:
        lines += [
            f"Speed on {md_cell(group.device)} ({md_cell(group.inputs)}), whole commands; compare "
            "within this table alone. " + md_cell(" ".join(group.sentences)),
            "",
            "| system | start-up, s | work for a second of video, s | frames/s | first frame, s | "
            "memory, MiB | GPU memory, MiB | a minute costs |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for row in group.rows:
            fit, last = row.timed.fit, row.longest
            cells = [
                md_cell(row.timed.system),
                _interval(fit.fixed_s, fit.fixed_low, fit.fixed_high) if fit else "–",
                _interval(fit.per_second, fit.low, fit.high) if fit else "–",
                number(last.frames_per_second, 3),
                number(last.first_frame_s, 3),
                number(mebibytes(row.timed.peak_memory_bytes), 3),
                number(mebibytes(row.timed.peak_gpu_memory_bytes), 3),
                number(row.cost_per_minute, 3),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return lines


def _interval(value: float, low: float, high: float) -> str:
    return f"{number(value, 3)} [{number(low, 3)}, {number(high, 3)}]"


def mebibytes(found: int | None) -> float | None:
    """For people."""
    return None if found is None else found / 2**20


def as_dict(groups: Sequence[BenchGroup]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {
            "device": group.device,
            "inputs": group.rows[0].timed.info["inputs"],
            "rows": [
                {
                    "system": row.timed.system,
                    "results": last_part(row.timed.where),
                    "command": shown_command(row),
                    "versions": row.timed.info["versions"],
                    "lengths": [asdict(one) for one in row.timed.lengths],
                    "fit": asdict(row.timed.fit) if row.timed.fit else None,
                    "no_fit": row.timed.no_fit,
                    "failed": row.timed.failed,
                    "peak_memory_bytes": row.timed.peak_memory_bytes,
                    "memory_reason": row.timed.memory_reason,
                    "peak_gpu_memory_bytes": row.timed.peak_gpu_memory_bytes,
                    "gpu_memory_reason": row.timed.gpu_memory_reason,
                    "price_per_hour": row.price_per_hour,
                    "cost_per_minute": row.cost_per_minute,
                }
                for row in group.rows
            ],
            "plots": [asdict(plot) for plot in group.plots],
            "left_out": group.left_out,
        }
        for group in groups
    ]
