"""`kill -9` during `dawn generate`: the same command again makes the set whole, none twice."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import psutil
import pytest

from manifests.runs import RunFolder
from tests.models import write_model

REPOSITORY = Path(__file__).parents[2]


def start(model: Path, dataset: str, out: Path) -> subprocess.Popen[str]:
    arguments = ["generate", "--checkpoint", model, "--dataset", dataset, "--split", "train",
                 "--out", out, "--workers", 2, "--steps", 4, "--max-seconds", 2,
                 "--device", "cpu"]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def finish(model: Path, dataset: str, out: Path) -> str:
    process = start(model, dataset, out)
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    return text


def kill(process: subprocess.Popen[str], worker: bool) -> None:
    """One of the workers, or the command with all that it started."""
    children = psutil.Process(process.pid).children(recursive=True)
    makers = [child for child in children if name(child).startswith("ray::_Actor")]
    if worker:
        for child in makers[:1]:
            child.kill()
        return
    for victim in [psutil.Process(process.pid), *children]:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(children, timeout=10)


def name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def contents(root: Path) -> dict[str, tuple[str, list[bytes]]]:
    """Of each item: its row without what time and memory it took, and its decoded frames."""
    found = {}
    changing = {"run", "wall_s", "network_s", "render_s", "encode_s", "real_time_factor",
                "peak_memory_bytes"}  # fmt: skip
    rows = RunFolder(str(root), "run.json").read("generations").to_pylist()
    for row in rows:
        assert row["item"] not in found
        assert row["status"] == "ok", row["detail"]
        with av.open(str(root / row["video"])) as container:
            frames = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
        kept = {key: value for key, value in row.items() if key not in changing}
        found[row["item"]] = (repr(kept), frames)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_at_random_moments(dataset, tmp_path):
    model = write_model(tmp_path / "model")
    began = time.monotonic()
    finish(model, dataset.uri, tmp_path / "calm")
    seconds = time.monotonic() - began
    calm = contents(tmp_path / "calm")
    assert len(calm) == 7
    chance, struck = random.Random(5), 0
    root = tmp_path / "disturbed"
    for number in range(3):
        process = start(model, dataset.uri, root)
        end = time.monotonic() + chance.uniform(0.4, 0.9) * seconds
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.05)
        if process.poll() is None:
            struck += 1
            kill(process, worker=number == 1)
        if number == 1 or process.poll() is not None:
            text, _ = process.communicate(timeout=240)
            done = process.returncode
            assert done in (0, -signal.SIGKILL), text
        parts = list((root / "generations").glob("*")) if root.exists() else []
        assert len(parts) == len({part.name for part in parts}) <= 7
    assert struck >= 2
    text = finish(model, dataset.uri, root)
    assert "there already" in text
    assert contents(root) == calm
    assert len(list((root / "videos").iterdir())) == 7
    assert not list(root.glob(".tmp-*"))
