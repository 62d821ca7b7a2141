"""Many small jobs as Ray's tasks (`pipeline.cluster.executor` says what jobs are)."""

import functools
import logging
import os
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

from dawn.device import pick_device
from manifests.errors import InputError, is_full
from pipeline.cluster.devices import check_device, on_cluster, placed, visible
from pipeline.cluster.executor import Failure, kind_of, raised
from pipeline.cluster.faults import (
    BACK_OFF_S,
    RETRIES,
    Fault,
    elsewhere,
    fault_of,
    living_nodes,
    node_short_of_memory,
    rather_on,
    require_ray,
    told,
)
from pipeline.cluster.metrics import tell_requests
from pipeline.cluster.notes import lessen, note_job, note_nodes, note_retry
from pipeline.cluster.room import Room
from pipeline.cluster.shared import NotSharedError, Sight, check_nodes, see
from pipeline.cluster.start import join_or_start
from pipeline.cluster.terminal import leave_terminal
from pipeline.events import note


class OnRay:
    """Runs jobs as Ray tasks of one CPU, on a local Ray or on the cluster at `address`; those that
    run networks also take `gpus_per_worker` of a GPU, where `device` is one.

    A job's time begins when a worker begins it: what waits in Ray's queue is never overdue.
    """

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        timeout_s: float = 900.0,
        attempts: int = 3,
        *,
        device: str = "cpu",
        gpus_per_worker: float | None = None,
    ) -> None:
        import ray

        check_device(device, gpus_per_worker, address)
        self._ray = ray
        self._started = join_or_start(address, workers, visible(device, os.environ))
        resources = ray.cluster_resources()
        gpus, usable = float(resources.get("GPU", 0)), True
        if device == "auto" and gpus and not on_cluster(address):
            usable = pick_device("auto").type == "cuda"
        try:
            self.place = placed(device, gpus_per_worker, gpus, usable=usable)
        except InputError:
            self._shut_down()
            raise
        total = int(resources.get("CPU", 0))
        self.elastic, self.most = on_cluster(address), workers
        if workers is not None and workers > total and not self.elastic:
            raise InputError(
                f"--workers {workers}: the cluster has {total} CPUs; ask for at most that many"
            )
        self.workers = min(workers or total, total) or 1
        self._timeout_s, self._attempts = timeout_s, attempts
        self._waiting: deque[_Job] = deque()
        self._again: list[_Job] = []
        self._running: dict[Any, _Job] = {}
        self._room = Room(workers, elastic=self.elastic)
        self._nodes = {*living_nodes()}
        note_nodes("node_joined", self._nodes)
        self.sights: tuple[Sight, ...] = ()

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """See Executor. Nodes that are there look now, those that join when they are seen."""
        self.sights = sights
        if not self._started:  # what was started here is this machine
            self._nodes = {*living_nodes()}
            check_nodes(sights, self._nodes)

    def look(self) -> None:
        """Have the nodes that joined since the last look say what all nodes said. Raises
        InputError as `expect` does.
        """
        if not self.elastic:
            return
        before, self._nodes = self._nodes, {*living_nodes()}
        note_nodes("node_left", before - self._nodes)
        if joined := self._nodes - before:
            note_nodes("node_joined", joined)
            check_nodes(self.sights, joined)

    def submit(
        self, key: Hashable, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        """See Executor."""
        gpus = self.place.share if networks and self.place.on_gpu else 0.0
        self._waiting.append(_Job(key, job, arguments, gpus))

    def withdraw(self, unwanted: Callable[[Any], bool]) -> None:
        """See Executor."""
        self._waiting = deque(job for job in self._waiting if not unwanted(job.key))
        self._again = [job for job in self._again if not unwanted(job.key)]

    def results(self) -> Iterator[tuple[Hashable, Any]]:
        """See Executor."""
        while self._waiting or self._again or self._running:
            self._start_jobs()
            waiting = len(self._waiting) + len(self._again)
            note("queue", level=logging.DEBUG, running=len(self._running), waiting=waiting)
            if not self._running:
                sleep(0.2)  # all wait to be tried again
                continue
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=1.0)
            for stream in ready:
                job = self._running[stream]
                outcome = self._next(stream, job)
                if isinstance(outcome, _Begun):
                    job.begun, job.node = monotonic(), outcome.node
                    continue
                del self._running[stream]
                if outcome is _RETRY:
                    self._again.append(job)
                else:
                    self._note(job, outcome)
                    yield job.key, outcome
            self._stop_overdue()
        note("queue", level=logging.DEBUG, running=0, waiting=0)

    def _note(self, job: "_Job", outcome: object) -> None:
        """Tell how a job ended. Its seconds are of the last attempt, from when it began."""
        seconds = 0.0 if job.begun is None else monotonic() - job.begun
        note_job(job.key, kind_of(outcome), seconds, job.tries + job.losses, job.node)

    def close(self) -> None:
        """Stop what runs; stop Ray if it was started here."""
        for stream in self._running:
            self._ray.cancel(stream, force=True)
        self._running.clear()
        self._shut_down()

    def _shut_down(self) -> None:
        note("closing", level=logging.DEBUG)
        if self._started:
            self._ray.shutdown()

    def _start_jobs(self) -> None:
        """Fill the room there is; a job that is to be alone waits for all others to end."""
        due = [job for job in self._again if job.due <= monotonic()]
        for job in (job for job in due if not job.alone):
            self._again.remove(job)
            self._waiting.appendleft(job)
        if not self._waiting:
            room = 0
        else:
            self.look()
            room = self._room.now()
        while self._waiting and len(self._running) < room:
            self._start_job(self._waiting.popleft())
        if due and not self._running:
            self._again.remove(due[0])
            self._start_job(due[0])

    def _start_job(self, job: "_Job") -> None:
        job.tries += 1
        job.begun = job.node = None
        options: dict[str, Any] = {"num_gpus": job.gpus} if job.gpus else {}
        if job.failed_by and (others := elsewhere(job.failed_by)):
            options["scheduling_strategy"] = rather_on(others[job.losses % len(others)])
        task = _task().options(num_cpus=1, max_retries=0, num_returns="streaming", **options)
        self._running[task.remote(job.function, job.arguments, self.sights)] = job

    def _next(self, stream: Any, job: "_Job") -> Any:  # noqa: ANN401 - any result
        """What a job has sent: that it began, then its result."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(next(stream))
        except errors.RayTaskError as error:
            if isinstance(error.cause, NotSharedError):
                raise error.cause from None
            if is_full(error.cause) and elsewhere(job.failed_by | {job.node}):
                return self._after_fault(Fault.DISK, job)
            return raised(error.cause)
        except errors.RayError as error:
            if job.overdue:
                return Failure("timeout", f"stopped after {self._timeout_s:.0f} s")
            job.node = job.node or node_short_of_memory(error)
            fault = fault_of(error, job.node)
            if fault is not None:
                return self._after_fault(fault, job)
            if job.tries < self._attempts:
                # Only what dies alone is to blame: others may have taken the memory.
                job.alone = job.tries == self._attempts - 1
                note_retry(job.key, "died", job.node, job.tries + job.losses)
                return _RETRY
            require_ray()  # else Ray itself is dying, which is no fault of the job
            return Failure("crash", f"{type(error).__name__} at each of {job.tries} attempts")

    def _after_fault(self, fault: Fault, job: "_Job") -> Any:  # noqa: ANN401 - as _next
        """A machine failed a job: to be tried elsewhere, later, with less beside it."""
        if fault is Fault.NODE:
            require_ray()
        job.tries -= 1
        job.losses += 1
        if job.losses > RETRIES:
            return Failure("node", told(fault, job.losses))
        job.failed_by |= {job.node} if job.node else set()
        if fault is Fault.MEMORY:
            lessen(self._room, min(self._room.now(), self._room.slots()) - 1)
            job.alone = job.losses == RETRIES
        wait = BACK_OFF_S * 2 ** (job.losses - 1)
        job.due = monotonic() + wait
        note_retry(job.key, fault.reason, job.node, job.tries + job.losses, wait)
        return _RETRY

    def _stop_overdue(self) -> None:
        now = monotonic()
        for stream, job in self._running.items():
            late = job.begun is not None and now - job.begun > self._timeout_s
            if late and not job.overdue:
                job.overdue = True
                self._ray.cancel(stream, force=True)


@dataclass(slots=True)
class _Job:
    key: Hashable
    function: Callable[..., Any]
    arguments: tuple[object, ...]
    gpus: float = 0.0
    """Of a GPU, that it takes."""
    tries: int = 0
    begun: float | None = None
    """When a worker said that it began; None while Ray has it in a queue."""
    overdue: bool = False
    node: str | None = None
    """Where it began, as Ray numbers nodes."""
    losses: int = 0
    """Tries that its machines failed; they are not among `tries`."""
    failed_by: set[str] = field(default_factory=set)
    due: float = 0.0
    """When it may be tried again."""
    alone: bool = False
    """Whether nothing else of this command may run beside it."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a job sends before its result: on which node it began."""

    node: str


_RETRY = object()
"""In a result's place."""


_CALLS = 500
"""Jobs after which a worker process is replaced: decoders and models may leak a little."""


@functools.cache
def _task() -> Any:  # noqa: ANN401 - Ray's remote functions are untyped
    """The one remote function of all jobs: Ray counts a worker's calls by function, and keeps
    every function that it was ever given.
    """
    import ray

    return ray.remote(max_calls=_CALLS)(_call)


def _call(
    function: Callable[..., Any], arguments: tuple[object, ...], sights: tuple[Sight, ...]
) -> Iterator[Any]:
    """In the worker: prepare it, say that the job begins, then give its result."""
    import ray

    prepare_worker()
    see(sights)
    yield _Begun(ray.get_runtime_context().get_node_id())
    result = function(*arguments)
    tell_requests()
    yield result


def prepare_worker() -> None:
    """No terminal, and one thread for every library in every worker."""
    import cv2

    leave_terminal()
    cv2.setNumThreads(1)
