"""Jobs that fail, hang or kill their process give a Failure and stop nobody else."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.errors import InputError
from pipeline.executor import Failure, InProcess, OnRay, require_ray

pytestmark = pytest.mark.ray


def double(x: int) -> int:
    return 2 * x


def hang() -> None:
    time.sleep(60)


def die(counter: Path) -> None:
    with counter.open("a") as file:
        file.write("x")
    os._exit(1)


def fail() -> None:
    raise OSError(28, "No space left on device")


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


def test_one_bad_job_does_not_touch_the_others(ray_session: None, tmp_path: Path) -> None:
    counter = tmp_path / "tries"
    executor = OnRay(2, timeout_s=5.0, attempts=2)
    jobs = [(double, (1,)), (die, (counter,)), (hang, ()), (fail, ()), (double, (4,))]
    found = collect(executor, jobs)
    assert found[0] == 2
    assert found[4] == 8
    assert isinstance(found[1], Failure)
    assert found[1].kind == "crash"
    assert counter.read_text() == "xx"
    assert isinstance(found[2], Failure)
    assert found[2].kind == "timeout"
    assert isinstance(found[3], Failure)
    assert found[3].kind == "error"
    assert "No space left" in found[3].detail


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

    monkeypatch.setattr("pipeline.executor.require_ray", dead)
    executor = OnRay(1, attempts=1)
    executor.submit("dies", os._exit, 1)
    with pytest.raises(InputError, match="Ray is gone"):
        list(executor.results())


def test_ray_that_runs_answers(ray_session: None) -> None:
    require_ray()
