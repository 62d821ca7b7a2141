"""What workers post of a training run, as a progress display."""

from typing import Any

from rich.console import Console

from dawn.training.task import TrainingTask
from pipeline.progress import Progress, console


class TrainingNews:
    """Loss, samples a second, share of time waiting for data, time left; what validation found."""

    def __init__(self, task: TrainingTask, step: int, output: Console = console) -> None:
        self._name, self._latest = task.stage, "starting"
        steps = task.config.run.steps
        self.progress = Progress(
            self._name, steps, describe=lambda _: self._latest, done=step, eta=False, output=output
        )

    def show(self, news: dict[str, Any]) -> None:
        """What a worker posted: a warning, a validation, or a step."""
        if "warning" in news:
            self.progress.say(f"warning: {news['warning']}")
        elif "val" in news:
            values = ", ".join(f"{name} {value:.4g}" for name, value in news["val"].items())
            self.progress.say(f"{self._name} step {news['step']}: {values}")
        elif "loss" in news:
            self._latest = (
                f"step {news['step']} of {news['steps']}, loss {news['loss']:.4g}, "
                f"{news['samples_per_s']:.1f} samples/s, {news['wait_share']:.0%} waiting for "
                f"data, about {news['eta_s']:.0f} s left"
            )
            self.progress.reach(news["step"])
