"""How far training is: loss, samples a second, share of time waiting for data, time left."""

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from dawn.training.task import TrainingTask
from pipeline.progress import console

_LINE_EVERY_S = 5.0


class TrainProgress:
    """A bar on a terminal, plain lines elsewhere."""

    def __init__(self, task: TrainingTask, step: int, output: Console = console) -> None:
        self._name, self._steps = task.stage, task.config.run.steps
        self._output = output
        self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if output.is_terminal:
            columns = (TextColumn(self._name), BarColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=output)
            self._task = self._bar.add_task("starting", total=self._steps, completed=step)

    def show(self, news: dict[str, Any]) -> None:
        """What a worker posted."""
        if "warning" in news:
            self._output.print(f"warning: {news['warning']}", markup=False)
        elif "val" in news:
            values = ", ".join(f"{name} {value:.4g}" for name, value in news["val"].items())
            self._output.print(f"{self._name} step {news['step']}: {values}", markup=False)
        elif "loss" in news:
            self._advance(news)

    def _advance(self, news: dict[str, Any]) -> None:
        text = (
            f"step {news['step']} of {news['steps']}, loss {news['loss']:.4g}, "
            f"{news['samples_per_s']:.1f} samples/s, {news['wait_share']:.0%} waiting for data, "
            f"about {news['eta_s']:.0f} s left"
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=news["step"], description=text)
        elif time.monotonic() - self._last_line >= _LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._output.print(f"{self._name} {news['step'] / news['steps']:4.0%}: {text}")

    def __enter__(self) -> "TrainProgress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
