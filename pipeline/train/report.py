"""`RUN/report.html`: a run's curves and pictures on one page that needs nothing else."""

import base64
import html
import json
import math
from collections import defaultdict

from dawn.training.record import METRICS
from dawn.training.task import TrainingTask
from manifests.counting import count
from manifests.parquet import read_parquet
from manifests.runs import RunFolder

_WIDTH, _HEIGHT, _MARGIN = 420, 180, 46
_PICTURES = 3
"""How many of the latest pictures of each kind are shown."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }}
body {{ max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
.curves {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
figure {{ margin: 0; }} figcaption {{ font-weight: 600; }}
svg {{ max-width: 100%; }} polyline {{ fill: none; stroke: #3b7dd8; stroke-width: 1.6; }}
svg text {{ font-size: 11px; fill: currentColor; }} svg path {{ stroke: #8888; fill: none; }}
img {{ max-width: 100%; image-rendering: pixelated; }} pre {{ overflow-x: auto; }}
</style></head><body>
<h1>{title}</h1><p>{facts}</p>
<h2>Curves</h2><div class="curves">{curves}</div>
<h2>Pictures</h2>{pictures}
<h2>Configuration</h2><pre>{config}</pre>
</body></html>
"""


def write_report(run: RunFolder, task: TrainingTask) -> None:
    """Make the page from what the run recorded; nothing when it recorded nothing."""
    if not run.fs.exists(run.at(METRICS)):
        return
    with run.fs.open(run.at(METRICS), "rb") as file:
        rows = read_parquet(file).to_pylist()
    curves: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        curves[row["name"]].append((row["step"], row["value"]))
    last = max((row["step"] for row in rows), default=0)
    wall = max((row["wall_s"] for row in rows), default=0.0)
    facts = (
        f"{last} of {count(task.config.run.steps, 'step')} in {wall:.0f} s of training. "
        f"Dataset {task.dataset_hash[:12]}, configuration {task.hash[:12]}."
    )
    page = _PAGE.format(
        title=html.escape(f"{task.stage}-{task.hash[:8]}"),
        facts=html.escape(facts),
        curves="".join(curve(name, points) for name, points in sorted(curves.items())),
        pictures=_pictures(run),
        config=html.escape(json.dumps(task.recipe(), indent=1, default=str)),
    )
    with run.scratch() as scratch:
        path = scratch / "report.html"
        path.write_text(page, encoding="utf-8")
        run.publish(path, "report.html")


def curve(name: str, points: list[tuple[int, float]]) -> str:
    """One number over the steps, as a figure with an SVG."""
    known = [(step, value) for step, value in sorted(points) if math.isfinite(value)]
    if not known:
        return ""
    steps, values = [p[0] for p in known], [p[1] for p in known]
    low, high = min(values), max(values)
    across = max(steps[-1] - steps[0], 1)
    tall = (high - low) or 1.0
    x = [_MARGIN + (_WIDTH - _MARGIN - 8) * (step - steps[0]) / across for step in steps]
    y = [8 + (_HEIGHT - 30) * (high - value) / tall for value in values]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    label = html.escape(name)
    return (
        f"<figure><figcaption>{label}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{label}: {values[0]:.4g} at step {steps[0]}, '
        f'{values[-1]:.4g} at step {steps[-1]}">'
        f'<path d="M{_MARGIN} 8V{_HEIGHT - 22}H{_WIDTH - 8}"/><polyline points="{line}"/>'
        f'<text x="2" y="16">{high:.3g}</text><text x="2" y="{_HEIGHT - 24}">{low:.3g}</text>'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 6}">step {steps[0]}</text>'
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 6}" text-anchor="end">{steps[-1]}</text>'
        "</svg></figure>"
    )


def _pictures(run: RunFolder) -> str:
    """The latest pictures of each kind, embedded."""
    try:
        paths = sorted(run.fs.ls(run.at("pictures"), detail=False))
    except FileNotFoundError:
        return "<p>None were drawn.</p>"
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        kinds[path.rsplit("/", 1)[-1].rsplit("-", 1)[0]].append(path)
    figures = []
    for kind, found in sorted(kinds.items()):
        for path in found[-_PICTURES:]:
            data = base64.b64encode(run.fs.cat_file(path)).decode()
            step = path.rsplit("-", 1)[-1].removesuffix(".png").lstrip("0")
            name = html.escape(f"{kind} at step {step}")
            figures.append(
                f"<figure><figcaption>{name}</figcaption>"
                f'<img alt="{name}" src="data:image/png;base64,{data}"></figure>'
            )
    return "".join(figures)
