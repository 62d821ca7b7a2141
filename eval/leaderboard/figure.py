"""The chart of the main measures as a picture for a paper or a talk: PNG and SVG."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Literal

from eval.leaderboard.board import Board, Column, Sheet
from eval.leaderboard.chart import bands, by_rank, column_of
from eval.leaderboard.groups import Kind
from eval.speed.groups import BenchGroup, Plot

_BANDS: dict[Kind, tuple[str, str]] = {
    "real": ("#2b6a4a", "real clips"),
    "real-split": ("#8fb9a3", "half of the real clips against the other"),
    "reconstruct": ("#8fb9a3", "real motion through LFG"),
    "copy-motion": ("#a13a32", "another clip's motion"),
    "static": ("#63676e", "still picture"),
    "shuffled-audio": ("#8a6412", "another clip's sound"),
}
_COLOURS = (
    "#2f5d8c", "#b4561f", "#2f7d5b", "#8a4a8f", "#8f7414", "#b23a53", "#3c8291", "#6b6f76",
)  # fmt: skip
_ACROSS = 2
_SIGNS = {"higher": "↑", "lower": "↓", "closer": "→ real"}


def as_picture(board: Board, kind: Literal["png", "svg"]) -> bytes:
    """The first table's chart; the same board gives the same bytes."""
    sheet = board.sheets[0]
    names = sheet.summary.measures
    systems = max(1, sum(entry.ranked for entry in sheet.entries))

    def draw(axes: Sequence[Any]) -> dict[str, Any]:
        legend: dict[str, Any] = {}
        for axis, name in zip(axes, names, strict=False):
            legend |= _panel(axis, sheet, column_of(sheet, name))
        return legend

    return _figure(board.title, len(names), 0.9 + 0.24 * systems, draw, kind)


def speed_as_picture(board: Board, kind: Literal["png", "svg"]) -> bytes:
    """The first table's measures against speed, a device a panel and measure."""
    sheet = board.sheets[0]
    panels = [(group, plot) for group in sheet.bench for plot in group.plots]

    def draw(axes: Sequence[Any]) -> dict[str, Any]:
        legend: dict[str, Any] = {}
        for axis, (group, plot) in zip(axes, panels, strict=False):
            legend |= _against_speed(axis, sheet, group, plot)
        return legend

    return _figure(board.title, len(panels), 2.6, draw, kind)


def _figure(
    title: str,
    panels: int,
    height: float,
    draw: Callable[[Sequence[Any]], dict[str, Any]],
    kind: Literal["png", "svg"],
) -> bytes:
    """Panels of a height in inches, and what the legend says of them."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    down = -(-max(1, panels) // _ACROSS)
    with mpl.rc_context({"svg.hashsalt": "dawn", "font.size": 8, "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.2, down * height + 0.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(down, _ACROSS, squeeze=False).ravel()
        legend = draw(list(axes))
        for axis in axes[panels:]:
            axis.set_axis_off()
        if legend:
            figure.legend(
                legend.values(), legend.keys(), loc="outside lower center", ncols=3, frameon=False
            )
        figure.suptitle(_plain(title), fontsize=10)
        file = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(file, format=kind, dpi=200, metadata=metadata)
    return file.getvalue()


def _against_speed(
    axis: Any,  # noqa: ANN401 - an Axes
    sheet: Sheet,
    group: BenchGroup,
    plot: Plot,
) -> dict[str, Any]:
    """One measure against speed; returns what the legend says of its points."""
    definition = column_of(sheet, plot.metric).definition
    found = {}
    for point in plot.points:
        colour = _COLOURS[point.place % len(_COLOURS)]
        if point.low is not None and point.high is not None:
            axis.plot([point.work] * 2, [point.low, point.high], color=colour, lw=1.5, alpha=0.6)
        axis.plot(
            [point.work_low, point.work_high], [point.value] * 2, color=colour, lw=1.5, alpha=0.6
        )
        edge = "black" if point.on_front else colour
        (dot,) = axis.plot(point.work, point.value, "o", color=colour, mec=edge, ms=6)
        found[_plain(point.system)] = dot
    axis.set_xscale("log")
    axis.invert_xaxis()
    if definition.direction == "lower":
        axis.invert_yaxis()
    if plot.real is not None:
        axis.axhline(plot.real, color="#63676e", ls=":", lw=1)
    axis.set_xlabel(f"s of work for a second of video, {_plain(group.device)}")
    title = f"{definition.title} {_SIGNS[definition.direction]}, ringed: on the front"
    axis.set_title(_plain(title, 60), fontsize=8, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    return found


def _panel(axis: Any, sheet: Sheet, column: Column) -> dict[str, Any]:  # noqa: ANN401 - an Axes
    """One measure; returns what the legend says of its bands."""
    found = {}
    for band in bands(sheet, column):
        colour, text = _BANDS[band.kind]
        found[text] = axis.axvspan(band.low, band.high, color=colour, alpha=0.25, lw=1)
    order = by_rank(sheet, column)
    for height, place in enumerate(reversed(order)):
        cell = column.cells[place]
        if cell is None or cell.value is None:
            continue
        colour = _COLOURS[place % len(_COLOURS)]
        if cell.low is not None and cell.high is not None:
            axis.plot([cell.low, cell.high], [height, height], color=colour, lw=2, alpha=0.7)
        axis.plot(cell.value, height, "o", color=colour, ms=5)
        if column.definition.direction == "closer" and cell.reference is not None:
            axis.axvline(cell.reference, color="#63676e", ls=":", lw=1)
    labels = []
    for place in reversed(order):
        cell = column.cells[place]
        rank = "" if cell is None or cell.rank is None else f"{cell.rank}{'=' if cell.tied else ''}"
        labels.append(f"{_plain(sheet.entries[place].name)}  {rank}")
    axis.set_yticks(range(len(order)), labels)
    axis.set_ylim(-0.6, max(1, len(order)) - 0.4)
    unit = f" ({column.definition.unit})" if column.definition.unit else ""
    title = f"{column.definition.title} {_SIGNS[column.definition.direction]}{unit}"
    axis.set_title(_plain(title), fontsize=8, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    return found


def _plain(text: str, most: int = 40) -> str:
    """Without what matplotlib takes for a formula, or a font cannot draw; short."""
    line = " ".join("".join(c if c.isprintable() else "?" for c in text).split())
    return (line if len(line) <= most else f"{line[: most - 1]}…").replace("$", r"\$")
