"""What all tests share: material beside the checkout, rendered footage, one Ray, one dataset."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import cv2
import pytest
import torch
from filelock import FileLock

from dawn.recipe import IngestConfig, Recipe
from dawn.synthetic.footage import write_footage
from manifests.store import Dataset
from pipeline.cli import app as cli
from pipeline.cluster.executor import InProcess
from pipeline.cluster.tasks import OnRay
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from tests.buckets import new_bucket, s3_server
from tests.scheduling import ByModule, begin_with_the_longest
from tests.warm import with_warm_workers

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
OPTIONAL = {
    "parity": "parity with the official networks",
    "gpu": "GPU",
    "browser": "browser",
    "shared": "real footage and weights",
    "triton": "fused kernels",
}
"""Markers of tests that need what a machine may lack; a run without any of them says so."""
Once = Callable[[str, Callable[[Path], object]], Path]
Dawn = Callable[..., subprocess.CompletedProcess[str]]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # run in a shell's background: commands that tests stop with Ctrl-C would not hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)
cv2.setNumThreads(1)
torch.set_num_threads(1)
os.environ.pop("RAY_ADDRESS", None)  # the user's cluster is not for tests
os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other spin
os.environ.setdefault("LOG_NAME_UPDATE_INTERVAL_S", "5")  # Ray looks for new logs all the time
os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # a process for each run
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # processes would each compile the project
sys.dont_write_bytecode = False
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # kernels for a GPU run without one
os.environ.setdefault("RAY_worker_niceness", "0")  # else tests without Ray starve those with it


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests with Ray mostly wait."""
    return min(4, (os.cpu_count() or 1) + 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByModule:
    return ByModule(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    no_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(no_gpu)
    if hasattr(config, "workerinput"):  # one of several workers
        begin_with_the_longest(items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, object, object]:
    """Say in one closing line which kinds of tests were all skipped."""
    result = yield
    skipped = terminalreporter.getreports("skipped")
    ran = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    lacking = []
    for marker, name in OPTIONAL.items():
        reasons = [r.longrepr[2].removeprefix("Skipped: ") for r in skipped if marker in r.keywords]
        if reasons and not any(marker in report.keywords for report in ran):
            lacking.append(f"{name} ({reasons[0]})")
    if lacking:
        terminalreporter.write_line(f"not exercised in this run: {', '.join(lacking)}")
    return result


@pytest.fixture(autouse=True)
def _no_user_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no weights but those they put there: results do not depend on the machine."""
    monkeypatch.setenv("DAWN_WEIGHTS", "/nonexistent")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real footage and weights beside the checkout; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs real footage and weights in {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once(name, make)`: a folder that one worker makes and all workers of the run read."""
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        made = run / f"{name}.made"
        with FileLock(run / f"{name}.lock"):
            if not made.exists():
                make(run / name)
                made.touch()
        return run / name

    return folder


@pytest.fixture(scope="session")
def footage(once: Once) -> Path:
    """The whole set of rendered sample videos with their truth. Tests must not change it."""
    return once("footage", write_footage)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """The one Ray of all tests."""
    with with_warm_workers(lambda: OnRay(workers=2)) as executor:
        yield
        executor.close()


@pytest.fixture(scope="session")
def in_ray_session(ray_session: None) -> dict[str, str]:
    """The environment of a command that joins the Ray of all tests: one of its own costs ten
    seconds of a processor.
    """
    import ray

    return {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}


@pytest.fixture(scope="session")
def dataset(footage: Path, once: Once) -> Dataset:
    """The sample footage ingested in one process. Tests must not change it."""
    return Dataset(str(once("dataset", lambda root: ingest_into(root, [footage]))))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server of S3 on this machine: the environment that leads to it."""
    with s3_server(tmp_path_factory.mktemp("s3")) as environment:
        yield environment


@pytest.fixture
def bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An empty bucket of it, as a URI; this process finds it."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAWN_SCRATCH", str(tmp_path / "dawn-scratch"))
    return new_bucket()


@pytest.fixture
def dawn(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Dawn:
    """`dawn …` in this process, which is seconds quicker than in one of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["dawn", *map(str, arguments)])
        capfd.readouterr()
        try:
            cli.main()
            code: object = 0
        except SystemExit as exit_:
            code = exit_.code or 0
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run


def ingest_into(
    root: Path, sources: list[Path], config: IngestConfig | None = None, *, update: bool = False
) -> Dataset:
    """Ingest in this process, without optional networks unless the configuration asks for them."""
    target = Dataset(str(root))
    recipe = Recipe.resolve(config or IngestConfig(use_weights=False))
    adopt(target, recipe, update=update)
    ingest(find_sources([str(source) for source in sources]), target, recipe, InProcess())
    return target
