"""Nodes that share nothing, and machines that fail: nothing is lost in silence, nobody is blamed.

`/proc/self/cwd` is another folder in each process, as a folder that nodes do not share is.
"""

import errno
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from ray import exceptions

from dawn.recipe import IngestConfig, Recipe
from eval.results.measuring import Measured, guarded
from eval.results.stored import INFO
from manifests.catalog import rows
from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cluster import shared
from pipeline.cluster.actors import OnActors
from pipeline.cluster.executor import Failure, InProcess, raised
from pipeline.cluster.faults import (
    Fault,
    answers,
    fault_of,
    living_nodes,
    node_short_of_memory,
)
from pipeline.cluster.shared import NotSharedError, Sight, see, sights_of
from pipeline.cluster.tasks import OnRay
from pipeline.evaluate.command import plan
from pipeline.evaluate.run import evaluate, results_folder
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from pipeline.ingest.steps import quarantined
from pipeline.train.run import Resources, train
from tests.conftest import ROOT
from tests.evaluations import options
from tests.films import drift, hum, write_film
from tests.hostile import Film, faces
from tests.pipeline.train.test_run import lfg_task

REFUSAL = r"/proc/self/cwd/\w+: node .* does not share this folder .*or an s3:// address"
PLAIN = Recipe.resolve(IngestConfig(use_weights=False))


class Doing:
    """A worker that does nothing much."""

    def do(self, job: Any) -> Any:
        return job


class Ending(InProcess):
    """Has every job of one kind end so, as if on a cluster."""

    def __init__(self, job: str, failure: Failure) -> None:
        super().__init__()
        self._ends, self._failure = job, failure

    def submit(
        self, key: Any, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        if job.__name__ == self._ends:
            super().submit(key, lambda: self._failure)
        else:
            super().submit(key, job, *arguments)


class Elsewhere(InProcess):
    """Does its jobs on a node with a temporary folder of its own, without the command's."""

    def __init__(self, here: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._here, self._patch = here, patch

    def submit(
        self, key: Any, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        def there() -> Any:
            away = self._here.rename(self._here.with_name("away"))
            node = self._here.with_name("node")
            node.mkdir(exist_ok=True)
            with self._patch.context() as patch:
                patch.setattr("tempfile.tempdir", str(node))
                try:
                    return job(*arguments)
                finally:
                    away.rename(self._here)

        super().submit(key, there)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    Film(path).pictures(faces(30)).sound(1.2).close()
    return path


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder that each process has for itself."""
    monkeypatch.chdir(tmp_path)
    return "/proc/self/cwd/apart"


def evaluation(tmp_path: Path, out: str | Path) -> Any:
    for name, noise in (("real", 4), ("fake", 20)):
        (tmp_path / name).mkdir()
        write_film(tmp_path / name / "clip.mkv", drift(20, 0, noise), hum(20))
    card = tmp_path / "card.yaml"
    card.write_text("name: small\nsize: 128\nstride: 3\n")
    fake = tmp_path / "fake"
    return options(out, str(card), tmp_path / "real", videos=fake, system="s", metrics="psnr")


# --- folders ----------------------------------------------------------------------------------


def test_a_worker_that_sees_another_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_PAUSE_S", 0.0)
    with sights_of(RunFolder(str(tmp_path / "out"), "run.json")) as sights:
        see(sights)
        (sight,) = sights
        other = tmp_path / "other"
        for content in (None, "a token of another run"):
            if content:
                other.write_text(content)
            with pytest.raises(NotSharedError, match=r"out: node .* does not share this folder"):
                see((replace(sight, file=str(other)),))
    assert not list((tmp_path / "out").iterdir())


def test_an_object_store_is_the_same_everywhere(tmp_path: Path) -> None:
    with sights_of(RunFolder(f"memory://{tmp_path.name}", "run.json")) as sights:
        assert sights == ()


@pytest.mark.ray
def test_workers_of_a_cluster_do_nothing_in_a_folder_that_they_do_not_share(
    ray_session: None, tmp_path: Path, apart: str, film: Path, dataset: Dataset
) -> None:
    given = evaluation(tmp_path, apart)
    with pytest.raises(InputError, match=REFUSAL):
        evaluate(plan(given), results_folder(given.out), OnRay(1))
    assert RunFolder(apart, INFO).names("clips") == set()

    data = Dataset("/proc/self/cwd/data")
    adopt(data, PLAIN, update=False)
    with pytest.raises(InputError, match=REFUSAL):
        ingest(find_sources([str(film)]), data, PLAIN, OnRay(1))
    assert rows(data, "FROM videos") == []

    task = lfg_task(dataset, tmp_path / "run")
    with pytest.raises(InputError, match=REFUSAL):
        train(replace(task, out="/proc/self/cwd/run"), Resources(workers=1), resume=False)
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.ray
def test_a_worker_on_a_node_that_joined_later_looks_before_its_first_job(
    ray_session: None, apart: str
) -> None:
    folder = Path(apart)
    folder.mkdir()
    (folder / "seen").write_text("x")
    tasks, actors = OnRay(1), OnActors(OnRay(1), Doing)
    tasks.sights = actors._owner.sights = (Sight.of(apart, folder / "seen"),)
    tasks.submit("job", len, "four")
    with pytest.raises(InputError, match=REFUSAL):
        list(tasks.results())
    with pytest.raises(InputError, match=REFUSAL):
        list(actors.results(["job"]))
    actors.close()


def test_numbers_that_are_not_there_are_no_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Believing(InProcess):
        """Whose jobs write where nobody reads."""

        def submit(
            self, key: Any, job: Callable[..., Any], *arguments: Any, networks: bool = False
        ) -> None:
            (work,) = arguments
            super().submit(key, job, replace(work, results=str(tmp_path / "lost")))

    given = evaluation(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match=r"out: what workers measured of 1 of 1 clip is not there"):
        evaluate(plan(given), results_folder(given.out), Believing())
    assert not RunFolder(given.out, INFO).info()["complete"]


def test_ingest_to_an_object_store_needs_no_folder_of_the_command(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here))
    data = Dataset(f"memory://{tmp_path.name}/data")
    adopt(data, PLAIN, update=False)
    ingest(find_sources([str(film)]), data, PLAIN, Elsewhere(here, monkeypatch))
    (row,) = rows(data, "FROM videos")
    assert (row["reason"], row["clips_total"]) == ("no_clip_passed", 1)
    assert list(faults(data)) == []
    assert not [*here.iterdir(), *(tmp_path / "node").iterdir()]


# --- machines that fail -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "node", "fault"),
    [
        (exceptions.OutOfMemoryError("the monitor killed it"), "a", Fault.MEMORY),
        (exceptions.OutOfDiskError("full"), "a", Fault.DISK),
        (exceptions.NodeDiedError("gone"), "a", Fault.NODE),
        (exceptions.WorkerCrashedError(), "gone", Fault.NODE),
        (exceptions.ActorDiedError(), "gone", Fault.NODE),
        (exceptions.WorkerCrashedError(), "a", None),
        (exceptions.WorkerCrashedError(), None, None),
    ],
)
def test_what_befell_the_machine_is_not_the_job_s(
    error: Exception, node: str | None, fault: Fault | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cluster.faults.answers", lambda node: node in {"a", "b"})
    assert fault_of(error, node) is fault


def test_the_node_whose_memory_ran_out_is_known_before_its_process_says_where_it_is() -> None:
    node = "0123456789abcdef" * 3 + "01234567"
    notice = f"Task was killed. Memory on the node (IP: 127.0.0.4, ID: {node}) was 0.2GB used / 1GB"
    assert node_short_of_memory(exceptions.OutOfMemoryError(notice)) == node
    assert node_short_of_memory(exceptions.WorkerCrashedError()) is None


def test_a_store_that_is_gone_is_no_fault_of_a_video_nor_of_a_clip() -> None:
    gone = EndpointConnectionError(endpoint_url="http://store/a")

    def fails() -> None:
        raise gone

    with pytest.raises(EndpointConnectionError):
        quarantined(fails)()
    with pytest.raises(EndpointConnectionError):
        guarded(fails, "reading", Measured())
    failure = raised(gone)
    assert failure.kind == "node"
    assert failure.detail.startswith("the object store cannot be reached; run the same")


@pytest.mark.ray
def test_a_node_is_lost_before_ray_learns_of_it(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node,) = living_nodes()
    lost = "a" * len(node)
    assert answers(node)
    assert not answers(lost)
    monkeypatch.setattr("pipeline.cluster.faults.living_nodes", lambda: [node, lost])
    assert not answers(lost)


@pytest.mark.ray
def test_jobs_whose_machines_fail_are_tried_again_apart_from_their_own_faults(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def short_of_memory(_: Exception, node: str | None) -> Fault:
        seen.append(node)
        return Fault.MEMORY

    monkeypatch.setattr("pipeline.cluster.tasks.fault_of", short_of_memory)
    monkeypatch.setattr("pipeline.cluster.tasks.RETRIES", 1)
    monkeypatch.setattr("pipeline.cluster.tasks.BACK_OFF_S", 0.0)
    executor = OnRay(2, attempts=1)
    executor.submit("dies", sys.modules["os"]._exit, 1)
    executor.submit("lives", len, "four")
    found = dict(executor.results())
    assert found["lives"] == 4
    assert found["dies"].kind == "node"
    assert "its node ran out of memory at each of 2 attempts; nothing was" in found["dies"].detail
    assert len(seen) == 2


class OnceFull:
    """Finds no room for the first of its jobs that see no note in a folder."""

    def __init__(self, folder: Path, notes: int = 1) -> None:
        self._folder, self._notes = folder, notes

    def do(self, job: Any) -> Any:
        if len(list(self._folder.iterdir())) < self._notes:
            (self._folder / str(time.time_ns())).touch()
            raise OSError(errno.ENOSPC, "No space left on device")
        return job


@pytest.mark.ray
def test_a_job_whose_node_s_disk_is_full_is_done_on_another(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(executor: OnRay) -> list[tuple[Any, Any]]:
        executor.submit("job", OnceFull(tmp_path).do, 1)
        return list(executor.results())

    def work_on_actors() -> list[tuple[Any, Any]]:
        actors = OnActors(OnRay(1), OnceFull, tmp_path)
        found = list(actors.results([1]))
        actors.close()
        return found

    (here,) = living_nodes()

    def two_nodes() -> list[str]:
        return [here, "a" * len(here)]

    for given, done in ((lambda: work(OnRay(1)), ("job", 1)), (work_on_actors, (1, 1))):
        ((_, alone),) = given()
        assert alone.kind == "node"
        assert alone.detail.startswith("no space left on the disk")
        (note,) = tmp_path.iterdir()
        note.unlink()
        with monkeypatch.context() as patch:
            patch.setattr("pipeline.cluster.faults.living_nodes", two_nodes)
            patch.setattr("pipeline.cluster.tasks.BACK_OFF_S", 0.0)
            assert given() == [done]
        (note,) = tmp_path.iterdir()
        note.unlink()


def test_a_video_is_not_recorded_for_its_machine_s_fault(film: Path, tmp_path: Path) -> None:
    data = Dataset(str(tmp_path / "data"))
    adopt(data, PLAIN, update=False)
    sources = find_sources([str(film)])
    failing = Ending("extract", Failure("node", "its node was lost"))
    with pytest.raises(InputError, match=r"film\.mp4: extract: its node was lost"):
        ingest(sources, data, PLAIN, failing)
    assert rows(data, "FROM videos") == []
    assert ingest(sources, data, PLAIN, InProcess()).outcomes == {"rejected": 1}


def test_a_clip_is_not_recorded_for_its_machine_s_fault(tmp_path: Path) -> None:
    given = evaluation(tmp_path, tmp_path / "out")
    failing = Ending("evaluate_clip", Failure("node", "its node was lost"))
    with pytest.raises(InputError, match="clip: its node was lost"):
        evaluate(plan(given), results_folder(given.out), failing)
    assert RunFolder(given.out, INFO).names("clips") == set()


NODE_IS_LOST = """
import os, pathlib, sys, time
import ray
from ray.cluster_utils import Cluster
sys.path.insert(0, {root!r})
from pipeline.cluster.actors import OnActors
from pipeline.cluster.tasks import OnRay

cluster = Cluster(
    initialize_head=True,
    head_node_args={{"num_cpus": 1, "object_store_memory": 10**8, "include_dashboard": False}},
)
node = cluster.add_node(num_cpus=1, object_store_memory=10**8)
begun = pathlib.Path({begun!r})

def job(number):
    (begun / f"{{number}}-{{os.getpid()}}").touch()
    while not (begun / "lost").exists():
        time.sleep(0.05)
    return number

class Doing:
    def do(self, number):
        return job(number)

def lose(amount):
    \"\"\"Once both nodes are at work.\"\"\"
    while len(list(begun.iterdir())) < amount:
        time.sleep(0.1)
    cluster.remove_node(node, allow_graceful=False)
    (begun / "lost").touch()

import threading
executor = OnRay(2, address=cluster.address, attempts=1)
for number in range(4):
    executor.submit(number, job, number)
threading.Thread(target=lose, args=(2,)).start()
print("tasks", sorted(executor.results()))
for file in begun.iterdir():
    file.unlink()
node = cluster.add_node(num_cpus=1, object_store_memory=10**8)
cluster.wait_for_nodes()
workers = OnActors(executor, Doing, attempts=1)
while len(workers._idle) < 2:
    workers._wait_for_workers(for_one=False)
    time.sleep(0.1)
threading.Thread(target=lose, args=(2,)).start()
print("actors", sorted(workers.results(range(4))))
workers.close()
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.ray
def test_a_node_that_dies_loses_nothing(tmp_path: Path) -> None:
    code = NODE_IS_LOST.format(root=str(ROOT), begun=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    wanted = [(number, number) for number in range(4)]
    said = [line for line in done.stdout.splitlines() if line.startswith(("tasks", "actors"))]
    assert said == [f"tasks {wanted}", f"actors {wanted}"], done.stdout + done.stderr
