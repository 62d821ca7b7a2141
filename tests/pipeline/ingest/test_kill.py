"""`kill -9` of a worker, of the command, of everything: the next run mends it all."""

import contextlib
import math
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dawn.synthetic.footage import write_footage
from manifests.store import SCRATCH, STAGED, Dataset
from manifests.validate import faults
from pipeline.dataset.report import media_faults
from tests.conftest import ROOT
from tests.hostile import Film, faces
from tests.processes import wait_until_gone
from tests.tables import contents

MARK = uuid.uuid4().hex
TARGETS = ("everything", "command", "worker")
KILLS = int(os.environ.get("DAWN_KILLS", "4"))
"""More of them take longer: each is a run of its own, and starts a Ray."""


class Command:
    """A running `dawn ingest` with all that it started."""

    def __init__(self, films: Path, root: Path, config: Path) -> None:
        arguments = ["ingest", films, "--dataset", root, "--config", config, "--workers", 2]
        self._driver = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
            cwd=ROOT, env=os.environ | {"DAWN_KILL_TEST": MARK},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self._seen = {self._driver.pid: psutil.Process(self._driver.pid)}
        self._spent: dict[int, float] = {}

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_everything()

    def wait(self, spent: float = math.inf) -> bool:
        """Until it has used so much processor time, or ended; whether it ended.

        Processor time, not time: on a busy machine a kill strikes the same work.
        """
        while self._driver.poll() is None and self.spent() < spent:
            time.sleep(0.05)
        return self._driver.poll() is not None

    def spent(self) -> float:
        """Seconds of processor time, of all that it started too."""
        self._look()
        for pid, process in self._seen.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._spent[pid] = times.user + times.system
        return sum(self._spent.values())

    def finish(self) -> str:
        """Let it end in good order; returns what it printed."""
        self.wait()
        assert self._driver.stdout is not None
        text = self._driver.stdout.read()
        assert self._driver.returncode == 0, text
        return text

    def kill_worker(self, chance: random.Random) -> None:
        """Kill one process that runs jobs, a busy one if there is any."""
        self._look()
        # Not Ray's own agents, which go by such names too: a raylet ends with its agents.
        workers = [p for p in self._seen.values() if _name(p).startswith(_WORKERS)]
        busy = [p for p in workers if "IDLE" not in _name(p)]
        if busy or workers:
            _kill([chance.choice(sorted(busy or workers, key=lambda p: p.pid))])

    def kill_command(self) -> None:
        """Kill what the user started, nothing else."""
        self._look()
        self._driver.kill()
        self._driver.wait()

    def kill_everything(self) -> None:
        """Leave no process behind."""
        self._look()
        _kill([*self._seen.values()])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._driver.pid, signal.SIGKILL)
        self._driver.wait()
        if self._driver.stdout is not None:
            self._driver.stdout.close()
        wait_until_gone(list(self._seen.values()))

    def _look(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._driver.pid).children(recursive=True):
                self._seen.setdefault(process.pid, process)


_WORKERS = ("ray::IDLE", "ray::_call")


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # also when its number is another's now
            process.kill()


class Uninterrupted:
    """The films, and what an ingest makes of them that nobody disturbs."""

    def __init__(self, folder: Path) -> None:
        self.films, self.config = folder / "films", folder / "config.yaml"
        write_footage(self.films, kinds=["plain", "text"], seconds=2.4)
        Film(self.films / "face.mp4").pictures(faces(112)).sound(4.5).close()
        self.config.write_text(
            "use_weights: false\nextract: {span_seconds: 4}\nfilters: {min_face_px: 40}\n"
        )
        with Command(self.films, folder / "root", self.config) as command:
            command.finish()
            self.spent = command.spent()
        self.contents = contents(folder / "root")

    def check(self, root: Path) -> None:
        """That a dataset is the same, and whole."""
        dataset = Dataset(str(root))
        assert contents(root) == self.contents
        assert list(faults(dataset)) == []
        assert list(media_faults(dataset)) == []
        assert dataset.names(SCRATCH) == dataset.names(STAGED) == []
        assert not list(root.glob("dataset.json.*"))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    calm = Uninterrupted(tmp_path_factory.mktemp("calm"))
    assert [len(calm.contents[table]) for table in ("videos", "clips")] == [3, 3]
    return calm


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No test here may leave processes of Ray running."""
    yield
    assert _ours() == set()


def _ours() -> set[int]:
    """Processes that these tests started: they keep the mark, whoever their parent is now."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("DAWN_KILL_TEST") == MARK and process.status() != "zombie":
                found.add(process.pid)
    return found


def disturbed(calm: Uninterrupted, root: Path, kills: list[tuple[str, float]], seed: int) -> int:
    """Ingest with kills (whom, when as a share of the whole work) until a run has come to its end.

    Returns how many kills hit a run whose Ray was up: how far a resumed run has come by then
    depends on what the ones before it left to do.
    """
    chance = random.Random(seed)
    struck, whole = 0, False
    with contextlib.ExitStack() as stack:  # what outlives a killed command stays
        for target, share in kills:
            command = stack.enter_context(Command(calm.films, root, calm.config))
            if whole := command.wait(share * calm.spent):
                command.finish()
                continue
            struck += len(_ours()) > 1
            if target == "worker":
                command.kill_worker(chance)
                command.finish()
                whole = True
            elif target == "command":
                command.kill_command()
            else:
                command.kill_everything()
        if not whole:
            stack.enter_context(Command(calm.films, root, calm.config)).finish()
        calm.check(root)
    return struck


@pytest.mark.slow
def test_kills_at_random_moments(calm: Uninterrupted, tmp_path: Path) -> None:
    """Of everything, of the command, of the worker, one after the other on one dataset."""
    chance = random.Random(20)
    moments: list[Any] = [(TARGETS[k % 3], chance.uniform(0.1, 1.0)) for k in range(KILLS)]
    moments[0] = ("everything", 0.7)  # in the middle of the work
    struck = 0
    for number in range(0, KILLS, 3):
        root = tmp_path / str(number)
        struck += disturbed(calm, root, moments[number : number + 3], seed=number)
    assert struck >= KILLS // 3
