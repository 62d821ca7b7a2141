"""Running many small jobs: on Ray, or one after another in this process.

Jobs are plain functions of plain arguments. At most `workers` run at once, so that memory does
not grow with their number. A job that raises, hangs or kills its process gives a `Failure`; it
never stops the others.
"""

import socket
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from manifests.errors import InputError


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job gave no result."""

    kind: Literal["timeout", "crash", "error"]
    detail: str


class Executor(Protocol):
    """Takes jobs and gives their results in the order they finish."""

    workers: int

    def submit(self, key: Hashable, job: Callable[..., Any], *arguments: object) -> None:
        """Queue a job."""

    def withdraw(self, unwanted: Callable[[Any], bool]) -> None:
        """Forget the queued jobs whose keys are unwanted; those that run go on."""

    def results(self) -> Iterator[tuple[Hashable, Any]]:
        """Yield (key, result or Failure) until no job is left; more may be submitted meanwhile."""

    def close(self) -> None:
        """Give back what was started."""


class InProcess:
    """Runs each job here. For tests, debuggers and profilers."""

    workers = 1

    def __init__(self) -> None:
        self._jobs: deque[tuple[Hashable, Callable[..., Any], tuple[object, ...]]] = deque()

    def submit(self, key: Hashable, job: Callable[..., Any], *arguments: object) -> None:
        """See Executor."""
        self._jobs.append((key, job, arguments))

    def withdraw(self, unwanted: Callable[[Any], bool]) -> None:
        """See Executor."""
        self._jobs = deque(job for job in self._jobs if not unwanted(job[0]))

    def results(self) -> Iterator[tuple[Hashable, Any]]:
        """See Executor. An exception is not caught: jobs return their own failures."""
        while self._jobs:
            key, job, arguments = self._jobs.popleft()
            yield key, job(*arguments)

    def close(self) -> None:
        """See Executor."""


class OnRay:
    """Runs jobs as Ray tasks of one CPU, on a local Ray or on the cluster at `address`."""

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        timeout_s: float = 900.0,
        attempts: int = 3,
    ) -> None:
        import ray

        self._ray = ray
        self._started = join_or_start(address, workers)
        total = int(ray.cluster_resources().get("CPU", 0))
        if workers is not None and workers > total:
            raise InputError(
                f"--workers {workers}: the cluster has {total} CPUs; ask for at most that many"
            )
        self.workers = workers or max(1, total)
        self._timeout_s, self._attempts = timeout_s, attempts
        self._waiting: deque[_Job] = deque()
        self._running: dict[Any, _Job] = {}

    def submit(self, key: Hashable, job: Callable[..., Any], *arguments: object) -> None:
        """See Executor."""
        self._waiting.append(_Job(key, job, arguments))

    def withdraw(self, unwanted: Callable[[Any], bool]) -> None:
        """See Executor."""
        self._waiting = deque(job for job in self._waiting if not unwanted(job.key))

    def results(self) -> Iterator[tuple[Hashable, Any]]:
        """See Executor."""
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self.workers:
                self._start_job(self._waiting.popleft())
            done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=1.0)
            for reference in done:
                job = self._running.pop(reference)
                outcome = self._outcome(reference, job)
                if outcome is _RETRY:
                    self._waiting.appendleft(job)
                else:
                    yield job.key, outcome
            self._stop_overdue()

    def close(self) -> None:
        """Stop what runs; stop Ray if it was started here."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        if self._started:
            self._ray.shutdown()

    def _start_job(self, job: "_Job") -> None:
        task = self._ray.remote(max_calls=_CALLS)(_call).options(num_cpus=1, max_retries=0)
        job.tries += 1
        job.started = time.monotonic()
        self._running[task.remote(job.function, job.arguments)] = job

    def _outcome(self, reference: Any, job: "_Job") -> Any:  # noqa: ANN401 - any result
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            return Failure("error", str(error.cause))
        except errors.RayError as error:
            if job.overdue:
                return Failure("timeout", f"stopped after {self._timeout_s:.0f} s")
            if job.tries < self._attempts:
                return _RETRY
            require_ray()  # else Ray itself is dying, which is no fault of the job
            return Failure("crash", f"{type(error).__name__} at each of {job.tries} attempts")

    def _stop_overdue(self) -> None:
        now = time.monotonic()
        for reference, job in self._running.items():
            if not job.overdue and now - job.started > self._timeout_s:
                job.overdue = True
                self._ray.cancel(reference, force=True)


@dataclass(slots=True)
class _Job:
    key: Hashable
    function: Callable[..., Any]
    arguments: tuple[object, ...]
    tries: int = 0
    started: float = 0.0
    overdue: bool = False


_RETRY = object()

_CALLS = 500
"""Jobs after which a worker process is replaced: decoders and models may leak a little."""


def _call(function: Callable[..., Any], arguments: tuple[object, ...]) -> Any:  # noqa: ANN401
    """In the worker: one thread for every library, then the job."""
    use_one_thread()
    return function(*arguments)


def use_one_thread() -> None:
    """Keep libraries from starting a thread for every core in every worker."""
    import cv2

    cv2.setNumThreads(1)


def require_ray() -> None:
    """See that Ray still runs tasks. Raises InputError when it does not."""
    import ray

    try:
        ray.get(ray.remote(num_cpus=0)(_answer).remote(), timeout=_PROBE_S)
    except ray.exceptions.RayError as error:
        raise InputError("Ray is gone; run the same command again to go on") from error


_PROBE_S = 60.0


def _answer() -> None:
    """A task that does nothing."""


def _knock(address: str) -> None:
    """Raise OSError when nobody listens there; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def join_or_start(address: str | None, workers: int | None) -> bool:
    """Use the Ray that runs, join the one at `address`, or start one; True: it is ours to stop."""
    import ray

    if ray.is_initialized():
        return False
    _start(address, workers)
    return True


def _start(address: str | None, workers: int | None) -> None:
    """Join the cluster at `address`, or start a Ray on this machine that ends with us."""
    import logging

    import ray

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is not None:
        try:
            _knock(address)
            ray.init(address, **quiet)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"--address {address}: no Ray cluster answers ({reason})") from error
    else:
        ray.init(
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=256 * 2**20,
            _metrics_export_port=None,
            **quiet,
        )
