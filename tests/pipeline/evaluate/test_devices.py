"""Devices of an evaluation: what its jobs are told, what its results say, what starts at all."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dawn.device import CPU, PRECISION, Placement
from eval.results.comparable import devices_of, other_devices
from eval.results.scores import load_results
from manifests.errors import InputError
from pipeline.cluster.executor import InProcess
from pipeline.evaluate import command
from pipeline.evaluate.command import plan, run_evaluate
from pipeline.evaluate.run import evaluate, results_folder
from pipeline.evaluate.worker import ClipTask
from tests.conftest import ROOT
from tests.evaluations import content, options
from tests.networks import write_i3d

GPU = Placement("cuda", 0.25)
TRUSTING: dict[str, Any] = {"system": "s", "trust_weights": ("i3d_k400",)}


@pytest.fixture
def i3d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_i3d(tmp_path)
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))


class Noting(InProcess):
    """Notes what jobs are told, and does none."""

    def __init__(self) -> None:
        super().__init__(GPU)
        self.told: list[tuple[Placement, bool]] = []

    def submit(
        self, key: Any, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        (work,) = arguments
        assert isinstance(work, ClipTask)
        self.told.append((work.settings.place, networks))

    def results(self) -> Iterator[Any]:
        return iter(())


@pytest.mark.parametrize(
    ("metrics", "told"), [("psnr,fvd16", (GPU, True)), ("psnr,ssim", (CPU, False))]
)
def test_the_executor_s_device_reaches_the_jobs_that_run_networks(
    i3d: None, real: Path, fake: Path, card: str, tmp_path: Path, metrics: str, told: object
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, metrics=metrics, **TRUSTING)
    executor = Noting()
    evaluate(plan(given), results_folder(given.out), executor)
    assert executor.told == [told] * 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_worker_without_the_gpu_stops_the_run(
    i3d: None, real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, metrics="fvd16", **TRUSTING)
    with pytest.raises(InputError, match="PyTorch sees 0 GPUs here"):
        evaluate(plan(given), results_folder(given.out), InProcess(GPU))


def test_results_say_on_which_devices_their_networks_ran(
    i3d: None, real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, metrics="psnr,fvd16", **TRUSTING)
    folder = results_folder(given.out)
    evaluate(plan(given), folder, InProcess())
    told = folder.info()
    assert told["devices"] == {"fvd16_i3d400": ["cpu"]}  # PSNR runs none
    assert told["precision"] == PRECISION
    whole = content(folder)
    evaluate(plan(given), folder, InProcess())
    assert content(folder) == whole
    # What was begun elsewhere keeps its device beside ours, and the number its conditions.
    hashes = {name: s["hash"] for name, s in told["standings"].items()}
    folder.write_info(told | {"devices": {"fvd16_i3d400": ["cuda (H100)"]}})
    folder.remove("clips", "clip1")
    evaluate(plan(given), folder, InProcess())
    assert folder.info()["devices"] == {"fvd16_i3d400": ["cpu", "cuda (H100)"]}
    assert {name: s["hash"] for name, s in folder.info()["standings"].items()} == hashes


def test_results_from_before_devices_were_recorded_are_of_the_cpu(
    i3d: None, real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, metrics="psnr,fvd16", **TRUSTING)
    folder = results_folder(given.out)
    evaluate(plan(given), folder, InProcess())
    old = {k: v for k, v in folder.info().items() if k not in ("devices", "precision")}
    folder.write_info(old)
    here = load_results(given.out).info
    assert devices_of(here) == {"fvd16_i3d400": ["cpu"]}
    assert other_devices({"a": here, "b": here}) == []
    elsewhere = {**here, "devices": {"fvd16_i3d400": ["cuda (H100)"]}}
    (line,) = other_devices({"a": here, "b": elsewhere})
    assert line == (
        "fvd16_i3d400: measured on different devices (a: cpu, b: cuda (H100)), which agree within "
        "0.1%"
    )


def test_ray_is_not_started_where_nothing_is_left_to_measure(
    real: Path, fake: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, system="s", metrics="psnr")
    run_evaluate(given, InProcess())
    before = json.loads((tmp_path / "out/results.json").read_text())

    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(command, "OnRay", started)
    run_evaluate(given)
    after = json.loads((tmp_path / "out/results.json").read_text())
    assert after["complete"]
    assert {k: v for k, v in after.items() if k != "command"} == {
        k: v for k, v in before.items() if k != "command"
    }
    with pytest.raises(AssertionError, match="Ray was started"):
        run_evaluate(options(tmp_path / "new", card, real, videos=fake, metrics="psnr"))


def test_a_finished_evaluation_loads_no_pytorch(
    real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, system="s", metrics="psnr")
    run_evaluate(given, InProcess())
    code = (
        "import sys; from pipeline.cli.app import main; "
        "sys.exit = lambda code=0: print(code, 'torch' in sys.modules, 'ray' in sys.modules); "
        "main()"
    )
    flags = ["--videos", fake, "--reference", real, "--out", given.out, "--protocol", card]
    answer = subprocess.run(
        [sys.executable, "-c", code, "evaluate", *map(str, flags), "--system", "s", "--metrics",
         "psnr"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "done: 3 unchanged" in answer.stdout, answer.stderr
    assert answer.stdout.splitlines()[-1] == "0 False False"
