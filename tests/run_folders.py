"""Runs of generation and training as their commands leave them, with given numbers."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.parquet import write_parquet
from manifests.runs import TRAINING, RunFolder
from manifests.schema import schema


def write_generations(
    path: Path, items: list[dict[str, Any]], *, system: str = "dawn", **shared: Any
) -> RunFolder:
    """A run of `dawn generate` with one row for each of `items`."""
    folder = RunFolder(str(path), "run.json")
    base: dict[str, Any] = {
        "run": path.name, "system": system, "settings_hash": "s" * 16, "seed": 0,
        "device": "cpu", "dtype": "float32", "status": "ok", **shared,
    }  # fmt: skip
    for number, item in enumerate(items):
        name = str(item.get("item", f"clip{number:04d}"))
        folder.write("generations", name, [base | {"item": name, "clip_id": name} | item])
    folder.write_info({key: base[key] for key in ("run", "system", "settings_hash", "seed")})
    return folder


def write_training(
    path: Path, stage: str, values: dict[str, list[float]], *, every: int = 10
) -> RunFolder:
    """A run of one stage of `dawn train`: `values[name]` at each `every` steps, a step a second."""
    folder = RunFolder(str(path), "config.json")
    rows = [
        {"run": f"{stage}-12345678", "stage": stage, "step": step, "name": name, "value": value,
         "wall_s": float(step)}
        for name, numbers in values.items()
        for step, value in zip(range(every, every * len(numbers) + 1, every), numbers, strict=True)
    ]  # fmt: skip
    path.mkdir(parents=True)
    write_parquet(path / "metrics.parquet", pa.Table.from_pylist(rows, schema(TRAINING)))
    folder.write_info({"run": f"{stage}-12345678", "recipe": {}, "recipe_hash": "r" * 16})
    return folder
