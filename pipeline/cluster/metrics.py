"""Metrics of a command for Prometheus, through Ray: each node's agent serves them beside Ray's own.

Ray puts `ray_` before the names. Where there is no Ray, or no agent on the node, nothing happens.
"""

import logging
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manifests.requests import asked
from pipeline.events import fields_of


@dataclass(frozen=True, slots=True)
class Definition:
    """A counter, if its name ends so, or a gauge."""

    name: str
    text: str
    tags: tuple[str, ...] = ("command",)

    @property
    def counts(self) -> bool:
        """Whether it only ever grows."""
        return self.name.endswith("_total")


JOBS = Definition("dawn_jobs_finished_total", "Jobs that ended.", ("command", "outcome"))
IN_FLIGHT = Definition("dawn_jobs_in_flight", "Jobs that are with Ray.")
WAITING = Definition("dawn_jobs_waiting", "Jobs that wait in the command.")
RETRIES = Definition("dawn_retries_total", "Jobs that begin anew.", ("command", "reason"))
QUARANTINED = Definition(
    "dawn_quarantined_total", "Videos quarantined, items that failed.", ("command", "reason")
)
CLIPS = Definition("dawn_clips_total", "Clips that were ingested, generated or evaluated.")
FRAMES = Definition("dawn_frames_total", "Frames of ingested clips.")
REQUESTS = Definition(
    "dawn_storage_requests_total", "Requests to object stores, by process.", ("operation",)
)
DEFINITIONS = (JOBS, IN_FLIGHT, WAITING, RETRIES, QUARANTINED, CLIPS, FRAMES, REQUESTS)

_EVERY_S = 0.5

Tags = tuple[tuple[str, str], ...]


class Metrics(logging.Handler):
    """Counts what `pipeline.events` tells, and passes it on at most twice a second."""

    def __init__(self, command: str) -> None:
        super().__init__(logging.DEBUG)
        self._command = command
        self._more: Counter[tuple[Definition, Tags]] = Counter()
        self._now: dict[tuple[Definition, Tags], float] = {}
        self._told = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        event, fields = record.getMessage(), fields_of(record)
        match event:
            case "job":
                self._count(JOBS, 1, outcome=fields["outcome"])
            case "retry":
                self._count(RETRIES, 1, reason=fields["reason"])
            case "finished":
                self._finished(fields)
            case "queue":
                self._now[self._key(IN_FLIGHT)] = float(str(fields["running"]))
                self._now[self._key(WAITING)] = float(str(fields["waiting"]))
        if event == "closing" or time.monotonic() - self._told >= _EVERY_S:
            self.tell()

    def close(self) -> None:
        """See logging.Handler."""
        self.tell()
        super().close()

    def tell(self) -> None:
        """Give Ray what has changed, if there is a Ray."""
        if not _ray_runs():
            return
        self._told = time.monotonic()
        for (definition, tags), amount in self._more.items():
            metric_of(definition).inc(amount, dict(tags))
        self._more.clear()
        for (definition, tags), value in self._now.items():
            metric_of(definition).set(value, dict(tags))
        self._now.clear()
        tell_requests()

    def _finished(self, fields: Mapping[str, object]) -> None:
        if fields["outcome"] in ("quarantined", "failed"):
            self._count(QUARANTINED, 1, reason=fields.get("reason") or "unknown")
        self._count(CLIPS, int(str(fields.get("clips") or 0)))
        self._count(FRAMES, int(str(fields.get("frames") or 0)))

    def _count(self, definition: Definition, amount: int, **tags: object) -> None:
        if amount:
            self._more[self._key(definition, **tags)] += amount

    def _key(self, definition: Definition, **tags: object) -> tuple[Definition, Tags]:
        said = {"command": self._command, **{name: str(value) for name, value in tags.items()}}
        return definition, tuple(said.items())


_asked_before: Counter[str] = Counter()


def tell_requests() -> None:
    """Give Ray how often this process, a worker or the command, asked object stores since."""
    for operation, amount in (Counter(dict(asked)) - _asked_before).items():
        metric_of(REQUESTS).inc(amount, {"operation": operation})
        _asked_before[operation] += amount


def _ray_runs() -> bool:
    """Whether this process is one of a Ray's. Ray is not imported for it."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


_made: dict[str, Any] = {}


def metric_of(definition: Definition) -> Any:  # noqa: ANN401 - Ray's are untyped
    """Ray's metric, one in each process."""
    from ray.util.metrics import Counter as Counting
    from ray.util.metrics import Gauge

    if definition.name not in _made:
        kind = Counting if definition.counts else Gauge
        _made[definition.name] = kind(definition.name, definition.text, definition.tags)
    return _made[definition.name]
