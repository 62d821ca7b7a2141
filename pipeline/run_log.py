"""The log of a command, `ROOT/logs/*.jsonl`, and its metrics: attached while it runs.

Each line is a JSON object with `time` (UTC, ISO 8601), `level`, `event`, `run` (the command's own
name, as its file has it) and what the event says. The log begins once the command holds its
folder: one that is refused before leaves none.
"""

import contextlib
import datetime
import json
import logging
import os
import platform
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version

from manifests.errors import InputError, is_full, is_out_of_reach
from manifests.run_logs import LogFile, without_secrets
from pipeline.cluster.metrics import Metrics
from pipeline.events import fields_of, note, stream
from pipeline.progress import errors


@contextlib.contextmanager
def logged(
    command: str, root: str, *, address: str | None = None, config: str | None = None
) -> Iterator[None]:
    """Keep a log of a command in the folder that it writes to, a path or a URI.

    `config`: a hash of its settings. How it ends is what the command line makes of it.
    """
    now = datetime.datetime.now(datetime.UTC)
    name = f"{now:%Y%m%dT%H%M%S.%fZ}-{command}-{secrets.token_hex(4)}"
    log, before, began = _Log(root, name), stream.level, time.monotonic()
    handlers = [log, Metrics(command)]
    stream.setLevel(logging.DEBUG)
    for handler in handlers:
        stream.addHandler(handler)
    try:
        note(
            "begun", command=command, version=version("dawn-pipeline"), config=config,
            cluster=address or os.environ.get("RAY_ADDRESS") or "local",
            host=platform.node(), pid=os.getpid(),
        )  # fmt: skip
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            note(
                "ended", level=logging.ERROR if error else logging.INFO, exit=exit_code(error),
                seconds=round(time.monotonic() - began, 3), counts=dict(sorted(log.counts.items())),
                **({"error": str(error) or type(error).__name__} if error else {}),
            )  # fmt: skip
    finally:
        for handler in handlers:
            stream.removeHandler(handler)
            handler.close()
        stream.setLevel(before)


def exit_code(error: BaseException | None) -> int:
    """The exit code of a command that ends with this error, as `pipeline.cli.app` has it."""
    if error is None:
        return 0
    if isinstance(error, InputError) or is_full(error) or is_out_of_reach(error):
        return 2
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 1


class _Log(logging.Handler):
    """Writes records to a command's log."""

    def __init__(self, root: str, name: str) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        """How the items of the command ended."""
        self._run = name
        self._file = LogFile(root, name, lambda line: errors.print(line, markup=False))
        self._opened = False

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        fields = fields_of(record)
        if record.getMessage() == "finished":
            self.counts[str(fields["outcome"])] += int(str(fields.get("items", 1)))
        if record.levelno < logging.INFO:
            return
        self._file.write(line_of(record, self._run))
        if record.getMessage() == "writing" and not self._opened:
            self._opened = True
            self._file.open()

    def close(self) -> None:
        """See logging.Handler."""
        self._file.close()
        super().close()


def line_of(record: logging.LogRecord, run: str) -> str:
    """A record as a line of JSON, without secrets."""
    when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    said = {
        "time": when.isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": record.getMessage(),
        "run": run,
        **{name: value for name, value in fields_of(record).items() if value is not None},
    }
    return without_secrets(json.dumps(said, ensure_ascii=False, default=str))
