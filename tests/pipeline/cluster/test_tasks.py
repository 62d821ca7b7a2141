"""Jobs that fail, hang or kill their process give a Failure and stop nobody else."""

import errno
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.errors import InputError
from pipeline.cluster.executor import Failure, InProcess
from pipeline.cluster.faults import require_ray
from pipeline.cluster.start import join_or_start
from pipeline.cluster.tasks import OnRay
from pipeline.cluster.tasks import _task as executor_task

pytestmark = pytest.mark.ray


def double(x: int) -> int:
    return 2 * x


def hang() -> None:
    threading.Event().wait()


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.05)


def process() -> int:
    return os.getpid()


def die(counter: Path) -> None:
    with counter.open("a") as file:
        file.write("x")
    os._exit(1)


def fail() -> None:
    raise OSError(5, "Input/output error")


def fill_the_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def collect(
    executor: InProcess | OnRay, jobs: list[tuple[Callable[..., object], tuple[object, ...]]]
):
    for key, (function, arguments) in enumerate(jobs):
        executor.submit(key, function, *arguments)
    return dict(executor.results())


def test_in_process_and_on_ray_agree(ray_session: None) -> None:
    jobs = [(double, (k,)) for k in range(20)]
    expected = {k: 2 * k for k in range(20)}
    assert collect(InProcess(), jobs) == expected
    assert collect(OnRay(2), jobs) == expected


def test_one_bad_job_does_not_touch_the_others(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = tmp_path / "tries"
    executor = OnRay(2, attempts=2)
    looks = itertools.count(1)

    def clock() -> float:
        """Leaps once the job that hangs is alone: no other is late, however busy the machine."""
        alone = [job.function for job in executor._running.values()] == [hang]
        return next(looks) * 10_000.0 if alone else 0.0

    monkeypatch.setattr("pipeline.cluster.tasks.monotonic", clock)
    jobs = [(double, (1,)), (hang, ()), (die, (counter,)), (fail, ()), (double, (4,)),
            (fill_the_disk, ())]  # fmt: skip
    found = collect(executor, jobs)
    assert found[0] == 2
    assert found[4] == 8
    assert isinstance(found[1], Failure)
    assert found[1] == Failure("timeout", "stopped after 900 s")
    assert isinstance(found[2], Failure)
    assert found[2] == Failure("crash", "WorkerCrashedError at each of 2 attempts")
    assert counter.read_text() == "xx"
    assert isinstance(found[3], Failure)
    assert found[3].kind == "error"
    assert "Input/output error" in found[3].detail
    assert isinstance(found[5], Failure)
    assert found[5].kind == "node"  # no fault of the job's
    assert "no space left" in found[5].detail


def test_a_job_that_waits_for_a_free_processor_is_not_blamed(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    free = tmp_path / "free"
    others = ray.remote(num_cpus=2, max_retries=0)(wait_for).remote(free)
    looks = 0

    def clock() -> float:
        """A day passes at each look; at the third the processors become free."""
        nonlocal looks
        looks += 1
        if looks == 3:
            free.touch()
        return min(looks, 3) * 86_400.0

    monkeypatch.setattr("pipeline.cluster.tasks.monotonic", clock)
    assert collect(OnRay(1, attempts=1), [(double, (1,))]) == {0: 2}
    ray.get(others)


def test_all_jobs_are_calls_of_one_function_and_workers_are_replaced(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cluster.tasks._CALLS", 3)
    executor_task.cache_clear()
    try:
        found = collect(OnRay(1), [(process, ()) for _ in range(7)])
    finally:
        executor_task.cache_clear()
    assert max(Counter(found.values()).values()) <= 3


def test_jobs_that_were_withdrawn_are_not_run(ray_session: None) -> None:
    for executor in (OnRay(1), InProcess()):
        for key in ("a", "b", "c"):
            executor.submit((key, 0), double, 1)
        executor.withdraw(lambda key: key[0] == "b")
        assert sorted(key for key, _ in executor.results()) == [("a", 0), ("c", 0)]


def test_jobs_may_be_added_while_results_come(ray_session: None) -> None:
    executor = OnRay(1)
    executor.submit(0, double, 1)
    found = []
    for key, value in executor.results():
        found.append(value)
        if key < 3:
            executor.submit(key + 1, double, value)
    assert found == [2, 4, 8, 16]


def test_more_workers_than_processors_is_an_error_at_once(ray_session: None) -> None:
    with pytest.raises(InputError, match=r"--workers 999: the cluster has 2 CPUs"):
        OnRay(999)


def test_a_job_is_not_blamed_when_ray_itself_is_dying(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead() -> None:
        raise InputError("Ray is gone")

    monkeypatch.setattr("pipeline.cluster.tasks.require_ray", dead)
    executor = OnRay(1, attempts=1)
    executor.submit("dies", os._exit, 1)
    with pytest.raises(InputError, match="Ray is gone"):
        list(executor.results())


def test_ray_that_runs_answers(ray_session: None) -> None:
    require_ray()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_does_not_answer_is_one_line(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(InputError, match=f"--address {address}: no Ray cluster answers"):
        join_or_start(address, None)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match=f"RAY_ADDRESS={address}: no Ray cluster answers"):
        join_or_start(None, 2)
