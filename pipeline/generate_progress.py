"""How far generation is: a live bar on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.progress import console

_LINE_EVERY_S = 5.0


class WorkProgress:
    """Progress in units of work, with counts by outcome where there are several items."""

    def __init__(
        self,
        total: int,
        title: str,
        counts: Counter[str] | None = None,
        items: int = 1,
        output: Console = console,
    ) -> None:
        self._total, self._title, self._output = total, title, output
        self._counts, self._items = counts, items
        self._done = 0
        self._began = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if output.is_terminal:
            columns = (
                TextColumn(title),
                BarColumn(),
                TextColumn("{task.percentage:.0f}% {task.description}"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=output)
            self._task = self._bar.add_task(self._text(), total=total)

    def advance(self, units: int) -> None:
        """So much more is done."""
        self._done = min(self._total, self._done + units)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=self._text())
            return
        now = time.monotonic()
        if now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            share, elapsed = self._done / self._total, now - self._began
            left = f", about {elapsed * (1 - share) / share:.0f} s left" if share else ""
            self._output.print(f"{self._title} {share:4.0%}{self._text()}{left}", markup=False)

    def __enter__(self) -> "WorkProgress":
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

    def _text(self) -> str:
        if self._counts is None:
            return ""
        ended = sum(self._counts.values())
        parts = [f"{count} {name}" for name, count in sorted(self._counts.items()) if count]
        return f": {', '.join([*parts, f'{self._items - ended} to go'])}"
