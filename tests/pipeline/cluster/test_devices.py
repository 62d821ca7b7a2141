"""Which device networks get, and that jobs ask Ray for the share they were told."""

import json
import os
import subprocess
import sys

import pytest
import torch

from dawn.device import CPU, Placement
from manifests.errors import InputError
from pipeline.cluster.devices import SHARE, check_device, placed, visible
from pipeline.cluster.executor import Executor, InProcess, OnDemand
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("device", "share", "gpus", "place"),
    [
        ("auto", None, 0, CPU),
        ("auto", None, 2, Placement("cuda", SHARE)),
        ("auto", 0.1, 1, Placement("cuda", 0.1)),
        ("cpu", None, 2, CPU),
        ("cuda", None, 1, Placement("cuda", SHARE)),
        ("cuda:1", 0.5, 1, Placement("cuda", 0.5)),  # the one that Ray has and shows
        ("cuda", 1.0, 4, Placement("cuda", 1.0)),
    ],
)
def test_the_device_follows_from_what_is_asked_for_and_there(device, share, gpus, place) -> None:
    assert placed(device, share, gpus) == place


def test_a_gpu_that_pytorch_cannot_use_is_none() -> None:
    assert placed("auto", None, 1, usable=False) == CPU
    with pytest.raises(InputError, match="use --device cpu"):
        placed("auto", 0.5, 1, usable=False)


@pytest.mark.parametrize(("device", "share"), [("cuda", None), ("auto", 0.25), ("cuda", 1.0)])
def test_a_gpu_asked_for_in_vain_is_an_error(device, share) -> None:
    with pytest.raises(InputError, match="Ray has 0 GPUs here; use --device cpu"):
        placed(device, share, 0)


@pytest.mark.parametrize(
    ("device", "share", "address", "fault"),
    [
        ("tpu", None, None, "--device tpu: give auto, cpu, cuda or cuda:1"),
        ("cuda:x", None, None, "--device cuda:x: give"),
        ("auto", 0.0, None, "--gpus-per-worker 0: give a share of one GPU"),
        ("auto", 2.0, None, "--gpus-per-worker 2: give a share of one GPU"),
        ("cpu", 0.5, None, "--gpus-per-worker 0.5: goes with a GPU"),
        ("cuda:1", None, "ray://head:10001", "a cluster's GPUs are Ray's to give"),
    ],
)
def test_what_cannot_be_is_refused_before_ray_starts(device, share, address, fault) -> None:
    with pytest.raises(InputError, match=fault):
        check_device(device, share, address)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_machine_without_a_gpu_says_so() -> None:
    with pytest.raises(InputError, match="PyTorch sees 0 GPUs here"):
        check_device("cuda", None, None)
    check_device("cuda", None, "ray://head:10001")  # the cluster may have some


def test_one_gpu_of_those_that_are_visible_is_left_visible() -> None:
    assert visible("cuda", {}) is None
    assert visible("auto", {"CUDA_VISIBLE_DEVICES": "2,3"}) is None
    assert visible("cuda:0", {}) == "0"
    assert visible("cuda:1", {}) == "1"
    assert visible("cuda:1", {"CUDA_VISIBLE_DEVICES": "2, 3"}) == "3"


def test_an_executor_on_demand_is_started_by_its_first_job() -> None:
    started: list[Executor] = []

    def start() -> Executor:
        started.append(InProcess(Placement("cuda", 0.5)))
        return started[-1]

    executor = OnDemand(start)
    executor.withdraw(lambda _: True)
    assert list(executor.results()) == []
    executor.close()
    assert started == []
    executor.submit("key", abs, -1, networks=True)
    executor.submit("other", abs, -2)
    assert executor.place == Placement("cuda", 0.5)
    assert dict(executor.results()) == {"key": 1, "other": 2}
    assert len(started) == 1


RUN = """
import json, os
import ray
from pipeline.cluster.tasks import OnRay


def given():
    context = ray.get_runtime_context()
    return context.get_assigned_resources(), os.environ.get("CUDA_VISIBLE_DEVICES")


ray.init("local", num_cpus=1, num_gpus=1, include_dashboard=False, log_to_driver=False,
         object_store_memory=80 * 2**20)
found = {}
for share in (None, 0.5):
    executor = OnRay(1, device="cuda", gpus_per_worker=share)
    executor.submit("networks", given, networks=True)
    executor.submit("none", given)
    found[str(share)] = dict(executor.results())
    found[str(share)]["place"] = [executor.place.device, executor.place.share]
ray.shutdown()
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.ray
def test_jobs_ask_ray_for_the_share_of_a_gpu_that_they_were_told() -> None:
    """A Ray of its own, whose processor-only machine declares a GPU."""
    environment = {**os.environ, "RAY_ADDRESS": "ray://nobody:1", "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    found = json.loads(answer.stdout.splitlines()[-1])
    for asked, share in (("None", SHARE), ("0.5", 0.5)):
        assert found[asked]["place"] == ["cuda", share]
        assert found[asked]["networks"] == [{"CPU": 1.0, "GPU": share}, "0"]
        assert found[asked]["none"][0] == {"CPU": 1.0}
