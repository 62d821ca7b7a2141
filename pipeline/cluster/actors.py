"""Workers that hold something costly, such as a model, and do one job after the other.

Like `pipeline.cluster.tasks.OnRay`, but each worker is a Ray actor that is set up once. A worker
that dies is replaced and its job tried again; a job that hangs takes its worker with it.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from manifests.errors import InputError, is_full
from pipeline.cluster.executor import Failure, kind_of, raised
from pipeline.cluster.faults import (
    RETRIES,
    Fault,
    elsewhere,
    fault_of,
    node_short_of_memory,
    rather_on,
    require_ray,
    told,
)
from pipeline.cluster.metrics import tell_requests
from pipeline.cluster.notes import lessen, note_job, note_retry
from pipeline.cluster.room import Room
from pipeline.cluster.shared import NotSharedError, Sight, see
from pipeline.cluster.tasks import OnRay, prepare_worker
from pipeline.events import note


class Worker(Protocol):
    """What does the jobs."""

    def do(self, job: Any) -> Any:  # noqa: ANN401 - any job, any result
        """One job's result."""


class Workers(Protocol):
    """Gives (job, result or Failure) for each job, in the order they finish."""

    def results(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Do the jobs."""

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """Have every worker see these first. Raises InputError, as `results` may, where one does
        not.
        """

    def close(self) -> None:
        """Give back what was started."""


class OneHere:
    """One worker in this process: for tests, debuggers and profilers."""

    def __init__(self, make: Callable[..., Worker], *arguments: object) -> None:
        self._worker = make(*arguments)

    def results(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See Workers. An exception is not caught."""
        for job in jobs:
            begun = monotonic()
            outcome = self._worker.do(job)
            note_job(_name(job), kind_of(outcome), monotonic() - begun)
            yield job, outcome

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """See Workers."""
        see(sights)

    def close(self) -> None:
        """See Workers."""


class Later:
    """Workers that are started when there is a job for them, and never where there is none."""

    def __init__(self, start: Callable[[int], Workers]) -> None:
        """`start` is told how many jobs there are."""
        self._start = start
        self._started: Workers | None = None
        self._sights: tuple[Sight, ...] = ()

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """See Workers."""
        self._sights = sights

    def results(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See Workers."""
        waiting = list(jobs)
        if waiting:
            self._started = self._started or self._start(len(waiting))
            self._started.expect(self._sights)
            yield from self._started.results(waiting)

    def close(self) -> None:
        """See Workers."""
        if self._started is not None:
            self._started.close()


@dataclass(slots=True)
class _Running:
    job: Any
    actor: Any
    tries: int
    began: float
    losses: int
    node: str | None
    overdue: bool = False


class OnActors:
    """Workers as Ray actors of one CPU each, or of a share of a GPU."""

    def __init__(
        self,
        ray: OnRay,
        make: Callable[..., Worker],
        *arguments: object,
        jobs: int | None = None,
        gpus: float = 0.0,
        timeout_s: float = 3600.0,
        attempts: int = 3,
    ) -> None:
        """Start the workers, each of `gpus` GPUs, and no more than there are `jobs` at first.
        Raises InputError when they cannot be set up.
        """
        import ray as module

        self._ray, self._owner = module, ray
        self._make, self._arguments = make, arguments
        self._timeout_s, self._attempts = timeout_s, attempts
        self._gpus = gpus
        self._room = Room(ray.most, elastic=ray.elastic, share=gpus)
        count = self._room.slots()
        if count < 1:
            raise InputError("--device cuda: the cluster has no GPU; use --device cpu")
        self._starting: dict[Any, Any] = {}
        self._nodes: dict[Any, str] = {}
        self._idle: list[Any] = []
        self._running: dict[Any, _Running] = {}
        self._full: set[str] = set()
        """Nodes without room on the disk, or in memory for one worker."""
        self._failed_starts = 0
        for _ in range(min(count, ray.workers, jobs or count)):
            self._start()
        self._wait_for_workers(for_one=True)

    def results(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See Workers."""
        waiting = deque((job, 0, 0) for job in jobs)
        while waiting or self._running:
            while waiting and self._idle:
                job, tries, losses = waiting.popleft()
                actor = self._idle.pop(0)
                reference = actor.do.remote(job, self._owner.sights)
                self._running[reference] = _Running(
                    job, actor, tries + 1, monotonic(), losses, self._nodes.get(actor)
                )
            self._follow(len(waiting))
            running = len(self._running)
            note("queue", level=logging.DEBUG, running=running, waiting=len(waiting))
            if not self._running:
                self._wait_for_workers(for_one=True)
                continue
            done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=1.0)
            for reference in done:
                ended = self._running.pop(reference)
                outcome = self._outcome(reference, ended)
                if outcome is None:
                    waiting.append((ended.job, ended.tries, ended.losses))
                else:
                    attempts = ended.tries + ended.losses
                    seconds = monotonic() - ended.began
                    note_job(_name(ended.job), kind_of(outcome), seconds, attempts, ended.node)
                    yield ended.job, outcome
            self._stop_overdue()
            self._wait_for_workers(for_one=False)
        note("queue", level=logging.DEBUG, running=0, waiting=0)

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """See Workers."""
        self._owner.expect(sights)

    def close(self) -> None:
        """Stop the workers and what started them."""
        busy = (running.actor for running in self._running.values())
        actors = [*self._idle, *self._starting.values(), *busy]
        for actor in actors:
            self._ray.kill(actor)
        self._owner.close()

    def _follow(self, waiting: int) -> None:
        """Start workers for nodes that joined, and a few that make a cluster grow, as long as
        there is work for them.
        """
        if not waiting:
            return
        self._owner.look()
        busy = len(self._running)
        for _ in range(len(self._starting) + busy, min(self._room.now(), busy + waiting)):
            self._start()

    def _start(self) -> None:
        options: dict[str, Any] = {"num_gpus": self._gpus} if self._gpus else {"num_cpus": 1}
        if self._full and (others := elsewhere(self._full)):
            options["scheduling_strategy"] = rather_on(others[len(self._starting) % len(others)])
        actor = self._ray.remote(_Actor).options(max_restarts=0, **options)
        handle = actor.remote(self._make, self._arguments)
        self._starting[handle.ready.remote()] = handle

    def _wait_for_workers(self, *, for_one: bool) -> None:
        """Count workers that are set up as idle: a job's time does not begin before.

        On a busy cluster some may wait for their turn; the others begin.
        """
        if not self._starting:
            return
        while for_one and not self._ray.wait(list(self._starting), num_returns=1, timeout=5)[0]:
            if not any(node["Alive"] for node in self._ray.nodes()):
                raise InputError("the Ray cluster is gone; run the same command again to go on")
        done, _ = self._ray.wait(list(self._starting), num_returns=len(self._starting), timeout=0)
        for reference in done:
            actor = self._starting.pop(reference)
            try:
                self._nodes[actor] = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._start_again(error)
                continue
            self._idle.append(actor)
            self._failed_starts = 0
        if for_one and not self._idle:
            self._wait_for_workers(for_one=True)

    def _start_again(self, error: Exception) -> None:
        """A worker could not be set up: it was killed meanwhile, or it never can be."""
        short = node_short_of_memory(error)
        if short in elsewhere(self._full) and elsewhere({*self._full, short}):
            self._full.add(short)
        else:
            self._failed_starts += 1
        if self._failed_starts >= self._attempts:
            self.close()
            cause = getattr(error, "cause", None) or error
            reason = str(cause).strip().splitlines()[-1]
            raise InputError(f"the workers cannot be set up: {reason}") from error
        self._start()

    def _outcome(self, reference: Any, running: _Running) -> Any:  # noqa: ANN401 - any result
        """The result, a Failure, or None: to be tried again."""
        errors = self._ray.exceptions
        try:
            result = self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error, errors.RayActorError):
                return self._after_death(running, error)
            if isinstance(error.cause, NotSharedError):
                raise error.cause from None
            if is_full(error.cause) and elsewhere({*self._full, self._nodes[running.actor]}):
                return self._after_full_disk(running)
            self._idle.append(running.actor)
            return raised(error.cause)
        except errors.RayError as error:
            return self._after_death(running, error)
        self._idle.append(running.actor)
        return result

    def _after_death(self, running: _Running, error: Exception) -> Failure | None:
        self._ray.kill(running.actor)  # it may hang half dead
        fault = None if running.overdue else fault_of(error, self._nodes.pop(running.actor, None))
        left = len(self._idle) + len(self._starting) + len(self._running)
        if fault is not Fault.MEMORY or not left:
            self._start()  # but where memory is short one worker fewer goes on
        else:
            lessen(self._room, left)
        if running.overdue:
            return Failure("timeout", f"stopped after {self._timeout_s:.0f} s")
        if fault is not None:
            if fault is Fault.NODE:
                require_ray()
            return self._after_fault(running, fault)
        if running.tries < self._attempts:
            self._note_retry(running, "died")
            return None
        require_ray()
        return Failure("crash", f"its worker died at each of {running.tries} attempts")

    def _after_full_disk(self, running: _Running) -> Failure | None:
        """The worker's node has no room on its disk: another node has the job."""
        self._full.add(self._nodes.pop(running.actor))
        self._ray.kill(running.actor)
        self._start()
        return self._after_fault(running, Fault.DISK)

    def _after_fault(self, running: _Running, fault: Fault) -> Failure | None:
        """A machine failed a job: to be tried again, up to a bound."""
        running.tries -= 1
        running.losses += 1
        if running.losses > RETRIES:
            return Failure("node", told(fault, running.losses))
        self._note_retry(running, fault.reason)
        return None

    @staticmethod
    def _note_retry(running: _Running, reason: str) -> None:
        attempts = running.tries + running.losses
        note_retry(_name(running.job), reason, running.node, attempts)

    def _stop_overdue(self) -> None:
        now = monotonic()
        for running in self._running.values():
            if not running.overdue and now - running.began > self._timeout_s:
                running.overdue = True
                self._ray.kill(running.actor)


class _Actor:
    """In the worker's process: one thread for every library, then the worker itself."""

    def __init__(self, make: Callable[..., Worker], arguments: tuple[object, ...]) -> None:
        import torch

        prepare_worker()
        torch.set_num_threads(1)
        self._worker = make(*arguments)

    def ready(self) -> str:
        """Answers once the worker is set up: on which node, as Ray numbers them."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def do(self, job: Any, sights: tuple[Sight, ...]) -> Any:  # noqa: ANN401 - any job, any result
        """See Worker."""
        see(sights)
        result = self._worker.do(job)
        tell_requests()
        return result


def _name(job: object) -> object:
    """By which logs know it."""
    return getattr(job, "name", job)
