"""The chart of the main measures as a picture for a paper or a talk: PNG and SVG."""

import io
from typing import Any, Literal

from eval.leaderboard.board import Board, Column, Sheet
from eval.leaderboard.chart import bands, by_rank, column_of
from eval.leaderboard.groups import Kind

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
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sheet = board.sheets[0]
    names = sheet.summary.measures
    down = -(-max(1, len(names)) // _ACROSS)
    systems = max(1, sum(entry.ranked for entry in sheet.entries))
    height = down * (0.9 + 0.24 * systems) + 0.8
    with mpl.rc_context({"svg.hashsalt": "dawn", "font.size": 8, "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(down, _ACROSS, squeeze=False).ravel()
        legend: dict[str, Any] = {}
        for axis, name in zip(axes, names, strict=False):
            legend |= _panel(axis, sheet, column_of(sheet, name))
        for axis in axes[len(names) :]:
            axis.set_axis_off()
        if legend:
            figure.legend(
                legend.values(), legend.keys(), loc="outside lower center", ncols=3, frameon=False
            )
        figure.suptitle(_plain(board.title), fontsize=10)
        file = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(file, format=kind, dpi=200, metadata=metadata)
    return file.getvalue()


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


def _plain(text: str) -> str:
    """Without what matplotlib takes for a formula, or a font cannot draw; short."""
    line = " ".join("".join(c if c.isprintable() else "?" for c in text).split())
    return (line if len(line) <= 40 else f"{line[:39]}…").replace("$", r"\$")
