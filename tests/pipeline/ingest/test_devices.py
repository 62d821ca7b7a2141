"""Devices of an ingest: which of its jobs take a share of a GPU, and whose fault a GPU's is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dawn.device import DeviceError, Placement
from dawn.recipe import IngestConfig, Recipe
from manifests.store import Dataset
from pipeline.cluster.executor import InProcess
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from pipeline.ingest.steps import VideoTask, networks_of, quarantined
from tests.films import drift, write_film

CONFIG = IngestConfig(use_weights=False)
GPU = Placement("cuda", 0.25)


def recipe(*weights: str) -> Recipe:
    return Recipe(CONFIG, dict.fromkeys(weights, "0" * 16))


@pytest.mark.parametrize(
    ("weights", "looks", "hears"),
    [
        ((), False, False),
        (("brisque", "dnsmos"), False, False),  # these run on the CPU
        (("identity",), True, False),
        (("syncnet", "hubert"), True, True),
        (("hubert",), False, True),
    ],
)
def test_jobs_take_a_gpu_for_the_networks_of_the_recipe(weights, looks, hears) -> None:
    assert networks_of(recipe(*weights)) == (looks, hears)


class Noting(InProcess):
    """Notes which steps take a share, and where they are told to run networks."""

    def __init__(self) -> None:
        super().__init__(GPU)
        self.told: dict[str, tuple[Placement, bool]] = {}

    def submit(
        self, key: Any, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        if isinstance(arguments[0], VideoTask):
            self.told[job.__name__] = (arguments[0].place, networks)
        super().submit(key, job, *arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_executor_s_device_reaches_the_steps_and_a_worker_without_it_stops_the_run(
    tmp_path: Path,
) -> None:
    write_film(tmp_path / "a.mkv", drift(30))
    for name, weights, told in (
        ("with", ("identity",), {"prepare": (GPU, False), "extract": (GPU, True)}),
        ("without", (), dict.fromkeys(("prepare", "extract", "finish"), (GPU, False))),
    ):
        dataset, made, executor = Dataset(str(tmp_path / name)), recipe(*weights), Noting()
        adopt(dataset, made, update=False)
        sources = find_sources([str(tmp_path / "a.mkv")])
        if weights:
            with pytest.raises(DeviceError, match="PyTorch sees 0 GPUs here"):
                ingest(sources, dataset, made, executor)
        else:
            ingest(sources, dataset, made, executor)
        assert executor.told == told


def test_a_gpu_s_fault_is_no_video_s() -> None:
    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        quarantined(full)()
