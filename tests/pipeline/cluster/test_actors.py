"""Workers that hold something costly: how they start, and what becomes of those that fail."""

import itertools
import os
import threading

import pytest
import torch

from manifests.errors import InputError
from pipeline.cluster.actors import Later, OnActors
from pipeline.cluster.executor import Failure
from pipeline.cluster.tasks import OnRay


class Moody:
    """A worker whose jobs say how they end."""

    def do(self, job: str) -> tuple[str, int]:
        if job == "crash":
            os._exit(1)
        if job == "hang":
            threading.Event().wait()
        if job == "raise":
            raise KeyError("lost")
        return job, torch.get_num_threads()


def refuses() -> Moody:
    raise ValueError("no weights here")


@pytest.mark.slow
@pytest.mark.ray
def test_workers_that_die_hang_or_raise(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = OnActors(OnRay(workers=2), Moody, attempts=2)
    looks = itertools.count(1)

    def clock() -> float:
        """Leaps while the job that hangs is alone: no other is late, however busy the machine."""
        alone = [running.job for running in workers._running.values()] == ["hang"]
        return next(looks) * 10_000.0 if alone else 0.0

    monkeypatch.setattr("pipeline.cluster.actors.monotonic", clock)
    results = dict(workers.results(["a", "crash", "raise", "hang", "b"]))
    workers.close()
    assert results["a"] == ("a", 1)
    assert results["b"] == ("b", 1)
    assert results["crash"] == Failure("crash", "its worker died at each of 2 attempts")
    assert results["raise"].kind == "error"
    assert results["hang"].kind == "timeout"
    with pytest.raises(InputError, match=r"cannot be set up: .*no weights here"):
        OnActors(OnRay(workers=2), refuses)


@pytest.mark.slow
@pytest.mark.ray
def test_no_more_workers_are_started_than_there_are_jobs(ray_session: None) -> None:
    """Each loads the model, which on a large machine takes longer than a few videos."""
    started: list[OnActors] = []

    def start(jobs: int) -> OnActors:
        started.append(OnActors(OnRay(workers=2), Moody, jobs=jobs))
        return started[0]

    workers = Later(start)
    assert list(workers.results(["a"])) == [("a", ("a", 1))]
    (actors,) = started
    assert len(actors._idle) + len(actors._starting) == 1
    workers.close()
