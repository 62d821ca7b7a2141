"""Curves and samples of training runs, read as the run writes them."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from eval.report.numbers import finite
from manifests.errors import InputError
from manifests.parquet import read_parquet
from manifests.run_catalog import TRAINING_FILE
from manifests.run_search import Run

MOST_POINTS = 2000
"""Of a curve that is sent; longer ones are thinned, the last point stays."""
_PICTURE = re.compile(r"(?P<kind>[\w.-]+)-(?P<step>\d{9})\.png")


def curves(run: Run) -> dict[str, Any]:
    """`curves[name]` as [step, value, seconds] of each point; how far the run is."""
    points: defaultdict[str, list[list[float]]] = defaultdict(list)
    at = run.folder.at(TRAINING_FILE)
    if run.folder.fs.exists(at):
        with run.folder.fs.open(at, "rb") as file:
            rows = read_parquet(file, ["step", "name", "value", "wall_s"]).to_pylist()
        for row in sorted(rows, key=lambda row: row["step"]):
            points[row["name"]].append([row["step"], row["value"], row["wall_s"]])
    last = max((own[-1][0] for own in points.values()), default=0)
    return {
        "run": run.name, "step": last, "steps": steps_of(run), "curves": finite(
            {name: _thinned(own) for name, own in sorted(points.items())}
        ),
        "seconds": max((own[-1][2] for own in points.values()), default=0.0),
        "pictures": pictures(run),
    }  # fmt: skip


def stamp(run: Run) -> str:
    """Another text whenever there is something new to show."""
    try:
        info = run.folder.fs.info(run.folder.at(TRAINING_FILE))
    except FileNotFoundError:
        info = {}
    written = info.get("mtime", info.get("LastModified", ""))
    return f"{written}-{info.get('size', 0)}-{len(run.folder.names('pictures'))}"


def pictures(run: Run) -> dict[str, list[int]]:
    """Kind of sample -> steps at which one was drawn, in order."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for name in sorted(run.folder.names("pictures")):
        match = _PICTURE.fullmatch(name)
        if match:
            found[match["kind"]].append(int(match["step"]))
    return dict(found)


def picture_name(kind: str, step: int) -> str:
    """The file of a sample, below the run."""
    return f"pictures/{kind}-{step:09d}.png"


def steps_of(run: Run) -> int | None:
    """How many steps the run was begun with."""
    try:
        recipe = run.folder.info().get("recipe")
        return int(recipe["config"]["run"]["steps"]) if isinstance(recipe, Mapping) else None
    except (InputError, KeyError, TypeError, ValueError):
        return None


def recipe_text(run: Run) -> str:
    """The recipe as JSON: what makes the run what it is, without any place."""
    return json.dumps(run.folder.info().get("recipe", {}), indent=1, sort_keys=True)


def _thinned(points: list[list[float]]) -> list[list[float]]:
    step = -(-len(points) // MOST_POINTS)
    return points if step == 1 or not points else [*points[:-1:step], points[-1]]
