"""`RUN/report.html`: the curves and pictures of all stages of a run on one page that needs nothing
else, written while it trains.
"""

import base64
import html
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from dawn.training.pictures import Labels
from dawn.training.record import METRICS
from dawn.training.stages import stage_named
from eval.report.page import fill
from manifests.counting import count
from manifests.parquet import read_parquet
from manifests.runs import RunFolder

REPORT = "report.html"
REFRESH_S = 20
"""How often an open page looks again, until all is trained."""
_WIDTH, _HEIGHT, _MARGIN = 420, 180, 46
_PICTURES = 2
"""How many of the latest pictures of each kind are shown."""
_VALIDATION = "val/"


@dataclass(frozen=True, slots=True)
class ReportPart:
    """One stage, or one part of a stage's curriculum."""

    stage: str
    run: RunFolder
    steps: int
    """Of its plan."""


@dataclass(frozen=True, slots=True)
class Report:
    """The page of a run: `home` is where it lies, `parts` are what is trained, in turn."""

    home: RunFolder
    parts: Sequence[ReportPart]

    def write(self) -> None:
        """Make the page from what the parts have recorded so far; nothing before the first has."""
        sections = [_section(self.home, part) for part in self.parts]
        if not any(section["rows"] for section in sections):
            return
        datasets = [section["dataset"] for section in sections if section["dataset"]]
        stages = list(dict.fromkeys(part.stage.upper() for part in self.parts))
        page = fill(
            "training.html.j2",
            styles=("style.css", "training.css"),
            title=f"Training of {', '.join(stages)}",
            run=self.home.uri.rstrip("/").rsplit("/", 1)[-1],
            dataset=datasets[0] if datasets else None,
            sections=sections,
            refresh=None if all(section["done"] for section in sections) else REFRESH_S,
        )
        with self.home.scratch() as scratch:
            path = scratch / REPORT
            path.write_text(page, encoding="utf-8")
            self.home.publish(path, REPORT)


def _section(home: RunFolder, part: ReportPart) -> dict[str, Any]:
    run, rows = part.run, []
    if run.fs.exists(run.at(METRICS)):
        with run.fs.open(run.at(METRICS), "rb") as file:
            rows = read_parquet(file).to_pylist()
    info = run.info() if run.exists else {}
    last = max((row["step"] for row in rows), default=0)
    wall = max((row["wall_s"] for row in rows), default=0.0)
    own = run.uri.rstrip("/").removeprefix(home.uri.rstrip("/")).strip("/")
    named = own.split("/")[-1] if own.split("/")[-1] not in ("", part.stage) else None
    dataset = str(info.get("dataset") or "").rstrip("/").rsplit("/", 1)[-1]
    return {
        "title": part.stage.upper() + (f", part {named}" if named else ""),
        "state": f"{last} of {count(part.steps, 'step')}, {wall:.0f} s of training"
        if rows
        else "not begun",
        "hash": str(info.get("recipe_hash") or "")[:12],
        "dataset": dataset,
        "rows": bool(rows),
        "done": last >= part.steps,
        "curves": Markup("".join(curve(*one) for one in curves_of(rows))),  # noqa: S704 - ours
        "pictures": _pictures(run, stage_named(part.stage).picture_labels()),
        "config": json.dumps(info.get("recipe") or {}, indent=1, default=str),
    }


Points = list[tuple[int, float]]


def curves_of(rows: Sequence[dict[str, Any]]) -> list[tuple[str, Points, Points]]:
    """By name the points of training and those of validation, which share a plot."""
    found: defaultdict[str, tuple[Points, Points]] = defaultdict(lambda: ([], []))
    for row in rows:
        validation = row["name"].startswith(_VALIDATION)
        name = row["name"].removeprefix(_VALIDATION)
        found[name][validation].append((row["step"], row["value"]))
    return [(name, *points) for name, points in sorted(found.items())]


def curve(name: str, training: Points, validation: Points) -> str:
    """One number over the steps as a figure: a line of training, dots of validation. A point alone
    is a dot, and its number stands beside it.
    """
    lines = [
        [p for p in sorted(points) if math.isfinite(p[1])] for points in (training, validation)
    ]
    known = [point for points in lines for point in points]
    if not known:
        return ""
    first, last = min(p[0] for p in known), max(p[0] for p in known)
    low, high = min(p[1] for p in known), max(p[1] for p in known)
    across, tall = max(last - first, 1), (high - low) or 1.0

    def place(step: int, value: float) -> tuple[float, float]:
        x = (step - first) / across if last > first else 0.5
        y = (high - value) / tall if high > low else 0.5
        return _MARGIN + (_WIDTH - _MARGIN - 14) * x, 10 + (_HEIGHT - 36) * y

    marks = ""
    for kind, points in zip(("training", "validation"), lines, strict=True):
        spots = [place(*point) for point in points]
        if len(spots) > 1:
            joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
            marks += f'<polyline class="{kind}" points="{joined}"/>'
        if kind == "validation" or len(spots) == 1:
            marks += "".join(
                f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in spots
            )
    label = html.escape(name)
    said = f"{known[-1][1]:.4g}" if len(known) == 1 else f"{known[0][1]:.4g} to {known[-1][1]:.4g}"
    kinds = [k for k, points in zip(("training", "validation"), lines, strict=True) if points]
    right = "" if first == last else (
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 6}" text-anchor="end">{last}</text>'
    )  # fmt: skip
    bottom = "" if high == low else f'<text x="2" y="{_HEIGHT - 24}">{low:.3g}</text>'
    top = 14 if high > low else (_HEIGHT - 22) / 2
    return (
        f"<figure><figcaption>{label} <span>{' and '.join(kinds)}</span></figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{label}: {said}">'
        f'<path d="M{_MARGIN} 8V{_HEIGHT - 22}H{_WIDTH - 8}"/>{marks}'
        f'<text x="2" y="{top:.0f}">{high:.3g}</text>{bottom}'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 6}">step {first}</text>{right}'
        "</svg></figure>"
    )


def _pictures(run: RunFolder, labels: dict[str, Labels]) -> list[dict[str, Any]]:
    """The latest pictures of each kind, as `data:` addresses with what stands where."""
    try:
        paths = sorted(run.fs.ls(run.at("pictures"), detail=False))
    except FileNotFoundError:
        return []
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        kinds[path.rsplit("/", 1)[-1].rsplit("-", 1)[0]].append(path)
    return [
        {
            "kind": kind,
            "step": path.rsplit("-", 1)[-1].removesuffix(".png").lstrip("0") or "0",
            "labels": labels.get(kind, Labels()),
            "source": "data:image/png;base64,"
            + base64.b64encode(run.fs.cat_file(path)).decode("ascii"),
        }
        for kind, found in sorted(kinds.items())
        for path in reversed(found[-_PICTURES:])
    ]
