"""How many items of a long command are done: a live bar on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.progress import console

_LINE_EVERY_S = 5.0


class CountProgress:
    """Progress in items, with counts by outcome and the time that is left."""

    def __init__(self, verb: str, items: str, total: int, output: Console = console) -> None:
        self._verb, self._items, self._total, self._output = verb, items, total, output
        self._counts: Counter[str] = Counter()
        self._began = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if output.is_terminal:
            columns = (
                TextColumn(verb),
                BarColumn(),
                TextColumn("{task.percentage:.0f}%"),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=output)
            self._task = self._bar.add_task(self._text(), total=max(1, total))

    def advance(self, outcome: str) -> None:
        """One more item ended so."""
        self._counts[outcome] += 1
        done = sum(self._counts.values())
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=self._text())
            return
        now = time.monotonic()
        if now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            left = (now - self._began) * (self._total - done) / done
            self._output.print(f"{self._verb}: {self._text()}, about {left:.0f} s left")

    def __enter__(self) -> "CountProgress":
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
        done = sum(self._counts.values())
        outcomes = ", ".join(f"{n} {outcome}" for outcome, n in sorted(self._counts.items()))
        return f"{done} of {self._total} {self._items}" + (f" ({outcomes})" if outcomes else "")
