"""The pictures of a dataset's card: distributions of what was kept, and the funnel."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manifests.safe_sql import quoted
from manifests.store import Dataset
from pipeline.dataset.facts import Facts, Funnel, histogram, pose_counts, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEPT, _LOST, _INK, _SOFT = "#2f5d8c", "#c4614f", "#1c1d1f", "#63676e"
_ACROSS = 3

OF_CLIPS = (
    ("duration_s", "Length", "s"),
    ("face_px", "Face width in the source", "px"),
    ("sharpness", "Sharpness", "Laplacian variance"),
    ("brightness", "Brightness of the face", "0 … 255"),
    ("voiced", "Share of frames with a voice", ""),
    ("60 * len(blinks) / duration_s", "Blinks", "per minute"),
)
"""Of each clip: expression over `clips`, title, unit."""

Draw = Callable[[Path], None]


def pictures(dataset: Dataset, facts: Facts, splits: Sequence[str]) -> dict[str, tuple[str, Draw]]:
    """File name -> what it shows, and the function that writes it."""
    chosen = where(splits)
    return {
        "distributions.png": (
            "Distributions over accepted clips; loudness over their frames",
            lambda path: _save(_distributions(dataset, chosen), path),
        ),
        "pose.png": (
            "Yaw and pitch of the head over the frames of accepted clips",
            lambda path: _save(_pose(dataset, chosen), path),
        ),
        "filters.png": (
            "Scores of all clips by filter; the shaded side of the bound is rejected",
            lambda path: _save(_scores(dataset, facts.funnel), path),
        ),
        "funnel.png": (
            "How many clips each filter rejected",
            lambda path: _save(_funnel(facts), path),
        ),
    }


def _distributions(dataset: Dataset, chosen: str) -> "Figure":
    inside = f"clip_id IN (SELECT clip_id FROM clips WHERE {chosen})"  # noqa: S608 - our own text
    panels = [
        (title, unit, histogram(dataset, "clips", value, chosen)) for value, title, unit in OF_CLIPS
    ]
    loudness = histogram(dataset, "audio", "loudness_db", inside)
    for value, title in (("pose[1]", "Yaw"), ("pose[2]", "Pitch")):
        panels.append((title, "degree", histogram(dataset, "frames", value, f"found AND {inside}")))
    panels.append(("Loudness", "dB full scale", loudness))
    figure, axes = _grid(len(panels))
    for at, (title, unit, (edges, counts)) in zip(axes, panels, strict=True):
        _bars(at, edges, counts, _KEPT)
        _name(at, title, unit)
    return figure


def _scores(dataset: Dataset, funnel: Sequence[Funnel]) -> "Figure":
    shown = [entry for entry in funnel if entry.judged]
    figure, axes = _grid(len(shown))
    for at, entry in zip(axes, shown, strict=True):
        edges, counts = histogram(dataset, "decisions", "score", f"filter = {quoted(entry.name)}")
        _bars(at, edges, counts, _KEPT)
        low, high = at.get_xlim()
        room = 0.03 * (max(high, *entry.thresholds) - min(low, *entry.thresholds))
        low = min(low, *(bound - room for bound in entry.thresholds))
        high = max(high, *(bound + room for bound in entry.thresholds))
        for bound in entry.thresholds:
            at.axvline(bound, color=_LOST, linewidth=1.4)
        bad = (low, min(entry.thresholds)) if entry.rule == "min" else (max(entry.thresholds), high)
        if bad[1] > bad[0]:
            at.axvspan(*bad, color=_LOST, alpha=0.12, linewidth=0)
        at.set_xlim(low, high)
        sign = "≥" if entry.rule == "min" else "≤"
        bounds = " or ".join(f"{bound:g}" for bound in (_plain(t) for t in entry.thresholds))
        _name(at, entry.name, f"{sign} {bounds}: {entry.rejected} of {entry.judged} rejected")
    return figure


def _plain(value: float) -> float:
    """A bound as it was written: the table holds float32."""
    return float(f"{value:.6g}")


def _pose(dataset: Dataset, chosen: str) -> "Figure":
    import numpy as np
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    at = figure.subplots()
    found = pose_counts(dataset, chosen)
    if found:
        reach = max(20, *(abs(row[key]) for row in found for key in ("yaw", "pitch"))) + 2
        reach += reach % 2
        grid = np.zeros((reach, reach))
        for row in found:
            grid[(row["pitch"] + reach) // 2, (row["yaw"] + reach) // 2] = row["count"]
        image = at.imshow(
            np.where(grid > 0, grid, np.nan), origin="lower", extent=(-reach, reach, -reach, reach),
            cmap="Blues", norm=LogNorm(vmin=0.5),
        )  # fmt: skip
        figure.colorbar(image, ax=at, label="frames")
    at.axhline(0, color=_SOFT, linewidth=0.6)
    at.axvline(0, color=_SOFT, linewidth=0.6)
    at.set_xlabel("yaw, degree (positive: to the picture's left)", color=_SOFT)
    at.set_ylabel("pitch, degree (positive: chin down)", color=_SOFT)
    return figure


def _funnel(facts: Facts) -> "Figure":
    from matplotlib.figure import Figure

    entries = [entry for entry in facts.funnel if entry.rejected]
    names = ["clips found", *(entry.name for entry in entries), "accepted"]
    alone = [0, *(entry.alone for entry in entries), 0]
    total = [facts.clips_found, *(entry.rejected for entry in entries), facts.clips_accepted]
    figure = Figure(figsize=(7.2, 0.9 + 0.34 * len(names)), layout="constrained")
    at = figure.subplots()
    places = range(len(names))
    ends = (0, len(names) - 1)
    at.barh(
        places,
        total,
        color=[_KEPT if place in ends else "#e3aca3" for place in places],
        height=0.7,
    )
    at.barh(places, alone, color=_LOST, height=0.7)
    for place, (count, only) in enumerate(zip(total, alone, strict=True)):
        text = f" {count:,}" if place in ends else f" {count:,} ({only:,} by it alone)"
        at.text(count, place, text, va="center", fontsize=9, color=_INK)
    at.set_yticks(places, names)
    at.invert_yaxis()
    at.margins(x=0.22)
    _clean(at)
    at.spines["bottom"].set_visible(False)
    at.set_xticks([])
    return figure


def _grid(count: int) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    down = max(1, -(-count // _ACROSS))
    figure = Figure(figsize=(10.2, 2.3 * down), layout="constrained")
    axes: list[Any] = list(figure.subplots(down, _ACROSS, squeeze=False).flat)
    for at in axes[count:]:
        at.set_visible(False)
    return figure, axes[:count]


def _bars(at: "Axes", edges: Sequence[float], counts: Sequence[int], color: str) -> None:
    if counts:
        at.stairs(counts, edges, fill=True, color=color)
        at.set_xlim(edges[0], edges[-1])
    else:
        at.text(0.5, 0.5, "not measured", transform=at.transAxes, ha="center", color=_SOFT)
        at.set_xticks([])


def _name(at: "Axes", title: str, under: str) -> None:
    at.set_title(title, fontsize=10, loc="left", color=_INK)
    at.set_xlabel(under, fontsize=8, color=_SOFT)
    at.tick_params(labelsize=8, colors=_SOFT)
    at.set_yticks([])
    _clean(at)
    at.spines["left"].set_visible(False)


def _clean(at: "Axes") -> None:
    for side in ("top", "right"):
        at.spines[side].set_visible(False)


def _save(figure: "Figure", path: Path) -> None:
    """The same picture is the same bytes: no date, no version."""
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})
