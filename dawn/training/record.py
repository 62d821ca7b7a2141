"""What a run leaves to look at: numbers as Parquet, TensorBoard events and pictures."""

from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from dawn.training.objective import Objective
from dawn.training.pictures import png
from dawn.training.stages import stage_named
from dawn.training.task import TrainingTask
from manifests.parquet import read_parquet, write_parquet
from manifests.runs import TRAINING, RunFolder
from manifests.schema import schema

METRICS = "metrics.parquet"
EVERY = 10
"""Steps between the points of a loss curve."""


class Recorder:
    """Collects the numbers of a run; only the first worker's does anything."""

    def __init__(self, task: TrainingTask, run: RunFolder, step: int, first: bool) -> None:
        self._task, self._run, self._first = task, run, first
        self._rows: list[dict[str, Any]] = []
        self.first_step, self.first_wall = step, 0.0
        self._board: Any = None
        if not first:
            return
        if run.fs.exists(run.at(METRICS)):
            with run.fs.open(run.at(METRICS), "rb") as file:
                rows = read_parquet(file).to_pylist()
            self._rows = [row for row in rows if row["step"] <= step]
            self.first_wall = max((row["wall_s"] for row in self._rows), default=0.0)
        if run.local:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(run.at("tensorboard"), purge_step=step + 1)

    def add(self, step: int, values: dict[str, float], wall_s: float) -> None:
        """Numbers of a step."""
        validation = any(name.startswith("val/") for name in values)
        if not validation and step % EVERY and step != 1:
            return
        name = f"{self._task.stage}-{self._task.hash[:8]}"
        for key, value in values.items():
            self._rows.append(
                {
                    "run": name, "stage": self._task.stage, "step": step, "name": key,
                    "value": value, "wall_s": wall_s,
                }
            )  # fmt: skip
            if self._board is not None:
                self._board.add_scalar(key, value, step)

    def pictures(self, step: int, objective: Objective, batch: dict[str, Any]) -> None:
        """Draw what the network does with a validation batch."""
        drawn = stage_named(self._task.stage).pictures(objective, batch)
        for name, image in drawn.items():
            self._picture(step, name, image)

    def _picture(self, step: int, name: str, image: NDArray[Any]) -> None:
        if self._board is not None:
            self._board.add_image(name, image, step, dataformats="HWC")
        with self._run.scratch() as scratch:
            path = scratch / "picture.png"
            path.write_bytes(png(image))
            self._run.publish(path, f"pictures/{name}-{step:09d}.png")

    def write(self) -> None:
        """Put the numbers so far in place, whole."""
        with self._run.scratch() as scratch:
            path = scratch / METRICS
            write_parquet(path, pa.Table.from_pylist(self._rows, schema(TRAINING)))
            self._run.publish(path, METRICS)
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        """The run has ended."""
        if self._board is not None:
            self._board.close()
