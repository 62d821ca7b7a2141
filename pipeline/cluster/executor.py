"""What runs many small jobs, and how each ends; in this process, one after the other.

Jobs are plain functions of plain arguments. At most `workers` run at once, so that memory does
not grow with their number. A job that raises, hangs or kills its process gives a `Failure`; it
never stops the others.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, Protocol

from dawn.device import CPU, Placement
from manifests.errors import FULL, OUT_OF_REACH, is_full, is_out_of_reach
from pipeline.cluster.notes import note_job
from pipeline.cluster.shared import Sight, see


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job gave no result."""

    kind: Literal["timeout", "crash", "error", "node"]
    """`node`: its machines failed it, which is no fault of the job."""
    detail: str


def raised(error: BaseException) -> Failure:
    """Of a job that ended with an error: a full disk, a store that is gone are not its fault."""
    if is_full(error):
        return Failure("node", f"{FULL}; make room, then run the same command again")
    if is_out_of_reach(error):
        return Failure("node", f"{OUT_OF_REACH}; run the same command again once it answers")
    return Failure("error", str(error))


def kind_of(outcome: object) -> str:
    """How a job ended, in a word: `done`, or the kind of its failure."""
    return outcome.kind if isinstance(outcome, Failure) else "done"


class Executor(Protocol):
    """Takes jobs and gives their results in the order they finish."""

    @property
    def workers(self) -> int:
        """How many jobs run at once."""

    @property
    def place(self) -> Placement:
        """Where networks of its jobs run."""

    def submit(
        self, key: Hashable, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        """Queue a job. One that runs `networks` takes the share of a GPU that `place` says."""

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """Have every worker see these first. Raises InputError, as `results` may, where one does
        not.
        """

    def withdraw(self, unwanted: Callable[[Any], bool]) -> None:
        """Forget the queued jobs whose keys are unwanted; those that run go on."""

    def results(self) -> Iterator[tuple[Hashable, Any]]:
        """Yield (key, result or Failure) until no job is left; more may be submitted meanwhile."""

    def close(self) -> None:
        """Give back what was started."""


class InProcess:
    """Runs each job here. For tests, debuggers and profilers."""

    workers = 1

    def __init__(self, place: Placement = CPU) -> None:
        self.place = place
        self._jobs: deque[tuple[Hashable, Callable[..., Any], tuple[object, ...]]] = deque()

    def submit(
        self,
        key: Hashable,
        job: Callable[..., Any],
        *arguments: object,
        networks: bool = False,  # noqa: ARG002 - nothing is shared here
    ) -> None:
        """See Executor."""
        self._jobs.append((key, job, arguments))

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """See Executor."""
        see(sights)

    def withdraw(self, unwanted: Callable[[Any], bool]) -> None:
        """See Executor."""
        self._jobs = deque(job for job in self._jobs if not unwanted(job[0]))

    def results(self) -> Iterator[tuple[Hashable, Any]]:
        """See Executor. An exception is not caught: jobs return their own failures."""
        while self._jobs:
            key, job, arguments = self._jobs.popleft()
            begun = monotonic()
            outcome = job(*arguments)
            note_job(key, kind_of(outcome), monotonic() - begun)
            yield key, outcome

    def close(self) -> None:
        """See Executor."""


class OnDemand:
    """An executor that is started by its first job, and never where there is none."""

    def __init__(self, start: Callable[[], Executor]) -> None:
        self._start = start
        self._started: Executor | None = None
        self._sights: tuple[Sight, ...] = ()

    def _executor(self) -> Executor:
        if self._started is None:
            self._started = self._start()
            self._started.expect(self._sights)
        return self._started

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """See Executor."""
        self._sights = sights
        if self._started is not None:
            self._started.expect(sights)

    @property
    def workers(self) -> int:
        """See Executor."""
        return self._executor().workers

    @property
    def place(self) -> Placement:
        """See Executor."""
        return self._executor().place

    def submit(
        self, key: Hashable, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        """See Executor."""
        self._executor().submit(key, job, *arguments, networks=networks)

    def withdraw(self, unwanted: Callable[[Any], bool]) -> None:
        """See Executor."""
        if self._started is not None:
            self._started.withdraw(unwanted)

    def results(self) -> Iterator[tuple[Hashable, Any]]:
        """See Executor."""
        if self._started is not None:
            yield from self._started.results()

    def close(self) -> None:
        """See Executor."""
        if self._started is not None:
            self._started.close()
