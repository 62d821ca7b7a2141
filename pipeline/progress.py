"""How far a long command is: a live bar on a terminal, plain lines elsewhere."""

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

_LINE_EVERY_S = 5.0


class Progress:
    """Progress in any unit of work, with what `describe` says and the time that is left.

    `count` notes how items ended; `tally` of `counts` is the usual description.
    """

    def __init__(
        self,
        title: str,
        total: float,
        *,
        items: int | None = None,
        describe: Callable[[Counter[str]], str] | None = None,
        done: float = 0.0,
        eta: bool = True,
        output: Console = console,
    ) -> None:
        """`items` are counted by outcome; `eta` off: `describe` says how long it takes.

        `describe` is given the counts, and asked at once.
        """
        self.counts: Counter[str] = Counter()
        self._title, self._total, self._done = title, max(total, 1e-9), done
        self._items, self._describe, self._eta = items, describe, eta
        self._output = output
        self._begun_at = done
        self._began = self._last_line = time.monotonic()
        self._bar: Bar | None = None
        self._task = TaskID(0)
        if output.is_terminal:
            columns = [
                TextColumn(title),
                BarColumn(),
                TextColumn("{task.percentage:.0f}%"),
                TextColumn("{task.description}", markup=False),
            ]
            self._bar = Bar(*columns, *([TimeRemainingColumn()] if eta else []), console=output)
            self._task = self._bar.add_task(self._text(), total=self._total)
            self._bar.update(self._task, completed=done)

    def advance(self, units: float) -> None:
        """So much more is done."""
        self.reach(self._done + units)

    def reach(self, done: float) -> None:
        """So much is done now."""
        self._done = min(self._total, done)
        self._show()

    def count(self, outcome: str, units: float = 0.0) -> None:
        """One more item ended so, and with it so much work is done."""
        self.counts[outcome] += 1
        self.advance(units)

    def say(self, line: str) -> None:
        """A line that stays, above the bar."""
        self._output.print(line, markup=False)

    def __enter__(self) -> "Progress":
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
        if self._describe is not None:
            return self._describe(self.counts)
        return "" if self._items is None else tally(self.counts, self._items)

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=self._text())
            return
        now = time.monotonic()
        if now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            text = ", ".join(part for part in (self._text(), self._left(now)) if part)
            share = f"{self._title} {self._done / self._total:4.0%}"
            self.say(f"{share}: {text}" if text else share)

    def _left(self, now: float) -> str:
        gained = self._done - self._begun_at
        if not self._eta or gained <= 0:
            return ""
        return f"about {(now - self._began) * (self._total - self._done) / gained:.0f} s left"


def tally(counts: Counter[str], items: int) -> str:
    """How items ended and how many are still to go: `1 failed, 3 ok, 4 to go`."""
    parts = [f"{count} {outcome}" for outcome, count in sorted(counts.items()) if count]
    return ", ".join([*parts, f"{items - sum(counts.values())} to go"])


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what native libraries log to file descriptor 2 (MediaPipe does) off the terminal."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
