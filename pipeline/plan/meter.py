"""What a piece of work takes of this process: processors, time, bytes, requests."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from manifests.requests import asked
from pipeline.plan.costs import Took


@dataclass(slots=True)
class Usage:
    """Of a piece of work, known once it has ended."""

    took: Took = field(default_factory=lambda: Took(0.0, 0.0))
    read: int = 0
    written: int = 0
    requests: int = 0


@contextlib.contextmanager
def metered() -> Iterator[Usage]:
    """Measure what is done meanwhile, by the calling thread and those that work for it.

    The clock leaves out what this thread waited for a processor, so that a busy machine counts as
    an idle one; a wait for a disk or a store counts.
    """
    usage, before = Usage(), _now()
    yield usage
    cpu, wall, read, written, requests = (a - b for a, b in zip(_now(), before, strict=True))
    usage.took = Took(cpu, wall)
    usage.read, usage.written, usage.requests = int(read), int(written), int(requests)


def _now() -> tuple[float, float, int, int, int]:
    read, written = _bytes()
    clock = time.perf_counter() - _waited_for_a_processor()
    return time.process_time(), clock, read, written, asked.total()


def _waited_for_a_processor() -> float:
    """Seconds; 0 on systems that do not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _bytes() -> tuple[int, int]:
    """That this process read and wrote, caches and all; 0 on systems that do not tell."""
    try:
        lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    except OSError:
        return 0, 0
    return int(lines["rchar"]), int(lines["wchar"])


def peak() -> int:
    """Bytes that this process held at most; 0 on systems that do not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
