"""`kill -9` during `dawn generate`: the same command again makes the set whole, none twice."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import psutil
import pytest

from dawn.sampling.settings import config_of
from manifests.runs import RunFolder
from pipeline.cluster.actors import OneHere
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.worker import Maker
from tests.conftest import ROOT
from tests.models import write_model
from tests.processes import wait_until_gone

STEPS, SECONDS = 2, 1.0


def start(
    model: Path, dataset: str, out: Path, env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """The command, with a Ray of its own unless the environment names one."""
    arguments = ["generate", "--checkpoint", model, "--dataset", dataset, "--split", "train",
                 "--out", out, "--workers", 2, "--steps", STEPS, "--max-seconds", SECONDS,
                 "--device", "cpu"]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def kill_worker() -> None:
    """One of those that make videos on the Ray of all tests."""
    children = psutil.Process().children(recursive=True)
    makers = [child for child in children if name(child).startswith("ray::_Actor")]
    assert makers
    makers[0].kill()


def kill_everything(process: subprocess.Popen[str]) -> None:
    """The command with all that it started."""
    children = psutil.Process(process.pid).children(recursive=True)
    for victim in [psutil.Process(process.pid), *children]:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until_gone(children)


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


def wait_for_rows(process: subprocess.Popen[str], root: Path, count: int) -> None:
    """Until so many videos are committed; fails when the command ends before."""
    while len(list((root / "generations").glob("*.parquet"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.slow
def test_kills_at_random_moments(dataset, tmp_path, in_ray_session):
    model = write_model(tmp_path / "model")
    many = ManyOptions(
        config=config_of(steps=STEPS), checkpoint=model, out=str(tmp_path / "calm"),
        dataset=dataset.uri, split="train", max_seconds=SECONDS, device="cpu",
    )  # fmt: skip
    generate_many(many, OneHere(Maker, plan_run(many).task))
    calm = contents(tmp_path / "calm")
    assert len(calm) > 4
    chance, root = random.Random(5), tmp_path / "disturbed"
    process = start(model, dataset.uri, root)
    wait_for_rows(process, root, 1)
    time.sleep(chance.uniform(0, 0.5))  # somewhere in the next ones
    kill_everything(process)
    assert len(contents(root)) < len(calm)
    process = start(model, dataset.uri, root, in_ray_session)
    wait_for_rows(process, root, 3)
    time.sleep(chance.uniform(0, 0.5))
    kill_worker()
    text, _ = process.communicate()  # it replaces its worker and goes on
    assert process.returncode == 0, text
    assert "already done" in text
    assert contents(root) == calm
    assert len(list((root / "videos").iterdir())) == len(calm)
    again = replace(many, out=str(root))
    assert generate_many(again, OneHere(Maker, plan_run(again).task)).counts == {
        "already done": len(calm)
    }
    assert not list(root.glob(".tmp-*"))  # a killed worker's, too
