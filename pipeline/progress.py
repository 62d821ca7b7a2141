"""How far a long command is: a live bar on a terminal, plain lines elsewhere."""

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

_LINE_EVERY_S = 5.0


class IngestProgress:
    """Progress in bytes of footage, with counts by outcome and the time that is left."""

    def __init__(self, total_bytes: int, videos: int, output: Console = console) -> None:
        self._output = output
        self._total, self._videos = max(1, total_bytes), videos
        self._done = 0.0
        self._counts: Counter[str] = Counter()
        self._began = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if output.is_terminal:
            columns = (
                TextColumn("ingest"),
                BarColumn(),
                TextColumn("{task.percentage:.0f}%"),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=output)
            self._task = self._bar.add_task(self._text(), total=self._total)

    def advance(self, size: float) -> None:
        """So many bytes of footage more are done."""
        self._done = min(self._total, self._done + size)
        self._show()

    def count(self, outcome: str) -> None:
        """One more video ended so."""
        self._counts[outcome] += 1
        self._show()

    def __enter__(self) -> "IngestProgress":
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
        counts = self._counts
        left = self._videos - sum(counts.values())
        return (
            f"{counts['ok']} ok, {counts['rejected']} rejected, "
            f"{counts['quarantined']} quarantined, {counts['unchanged']} unchanged, {left} to go"
        )

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=self._text())
            return
        now = time.monotonic()
        if now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            share = self._done / self._total
            elapsed = now - self._began
            eta = f", about {elapsed * (1 - share) / share:.0f} s left" if share > 0.01 else ""
            self._output.print(f"ingest {share:4.0%}: {self._text()}{eta}")


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
