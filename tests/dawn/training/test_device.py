"""A step on a GPU, as far as one can see without any: where tensors are, and who waits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.train_step import config_of, made_features
from dawn.lfg.model import LFG
from dawn.training.batches import Batch, collate, on_device
from dawn.training.clips import ClipFeatures, ClipRow
from dawn.training.config import Training
from dawn.training.objective import Objective
from dawn.training.order import Sample, Samples
from dawn.training.stage import Statistics
from dawn.training.stages import stage_named, stages
from dawn.training.states import RELEASE_RANGE
from dawn.training.step import Place, Stepper, Unread

CASES = [(s, p) for s, stage in stages().items() for p in stage.presets() if p != "paper"]
ROWS = [ClipRow("made", 60, 64, "", "", "")]


class NoisyClips:
    """A reader of clips that show noise."""

    def __init__(self, size: int) -> None:
        self._size = size

    def features(self, clip: ClipRow) -> ClipFeatures:
        return made_features(clip)

    def frames(self, clip: ClipRow, indices: list[int]) -> NDArray[np.uint8]:
        shape = (len(indices), self._size, self._size, 3)
        return np.random.default_rng(indices).integers(0, 256, shape, np.uint8)


def loaded(stage: str, config: Training, count: int = 2) -> Sample:
    """A batch as the loader hands it over."""
    how = stage_named(stage)
    make = how.samples(config, Statistics(0.0, 1.0, RELEASE_RANGE))
    reader: Any = NoisyClips(how.picture_size(config))
    samples = Samples(ROWS, make, 0, count, reader)
    batch = collate([samples[number] for number in range(count)])
    batch.pop("bad")
    return batch


def objective_of(stage: str, preset: str, config: Training) -> Objective:
    """Networks without values, but for the frozen one, which lies on the CPU."""
    with torch.device("meta"):
        lfg = LFG(stage_named("lfg").preset(preset).network).to_empty(device="cpu")
        objective: Objective = stage_named(stage).objective(config, lfg if stage == "a2v" else None)
    return objective


def reached(value: object, seen: set[int]) -> Iterator[Tensor]:
    """All tensors that hang on an object, wherever it keeps them."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from (t for inner in value.values() for t in reached(inner, seen))
    elif isinstance(value, list | tuple | set):
        yield from (t for inner in value for t in reached(inner, seen))
    elif isinstance(value, nn.Module):
        yield from reached(value.__dict__, seen)


@pytest.mark.parametrize(("stage", "preset"), CASES)
def test_everything_that_a_loss_needs_moves_with_it(stage: str, preset: str) -> None:
    config = config_of(stage, preset, 2, "float32", {})
    objective = objective_of(stage, preset, config)
    objective.to("meta")
    assert {tensor.device.type for tensor in reached(objective, set())} == {"meta"}
    objective.progress = 1.0
    batch = on_device(loaded(stage, config), "meta", objective.prepared)
    assert {value.device.type for value in batch.values()} == {"meta"}
    loss, parts = objective(batch)
    assert {value.device.type for value in (loss, *parts.values())} == {"meta"}


def test_bytes_and_boxes_are_what_is_copied() -> None:
    """A picture of 128 pixels is 48 KiB, not 192; a mask is sixteen numbers at most."""
    for stage, most in (("lfg", 100), ("a2v", 1400)):
        batch = loaded(stage, config_of(stage, "128", 2, "float32", {}), count=1)
        size = sum(value.numel() * value.element_size() for value in batch.values())
        pictures = batch["pair" if stage == "lfg" else "pictures"]
        assert pictures.dtype == torch.uint8
        assert size < most * 1024


class Waiting(TorchDispatchMode):
    """Notes what would make the host wait for a GPU."""

    WAITS = ("_local_scalar_dense", "nonzero", "lift_fresh", "unique", "masked_select")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name in self.WAITS:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


class Ready:
    """Batches that lie on the device, prepared."""

    def __init__(self, batch: Sample) -> None:
        self.batch = batch

    def __next__(self) -> Batch:
        return Batch(self.batch, ())

    def fetch(self) -> None:
        pass


SMALLER = {
    "lfg": {"mouth_weight": 1.0, "eyes_weight": 1.0, "openness_weight": 1.0},
    "pbnet": {"frames": 20},
    "a2v": {
        "clips": {"frames_min": 3, "frames_max": 3}, "flow_weight": 0.15, "picture_begin": 0.0,
        "checkpoint_blocks": "all",
    },
}  # fmt: skip


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("stage", SMALLER)
def test_nothing_in_a_step_waits(
    stage: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {**SMALLER[stage], "run": {"ema": 0.9, "clip_norm": 1.0}}
    config = config_of(stage, "tiny", 2, precision, changes)
    torch.manual_seed(0)
    lfg = LFG(stage_named("lfg").preset("tiny").network) if stage == "a2v" else None
    how = stage_named(stage)
    # as on a GPU: the plain optimiser keeps its count of steps where it can be read
    monkeypatch.setattr("dawn.training.step.Place.fused", True)
    stepper = Stepper(how.objective(config, lfg), config.run, Place())
    batch = loaded(stage, config)
    unread = Unread()
    with Waiting() as watch:
        batches: Any = Ready(on_device(batch, "cpu", stepper.objective.prepared))
        for step in range(2):
            numbers, _ = stepper.step(step, batches)
            unread.add(step, numbers)
    assert watch.found == []
    with Waiting() as watch:
        read = unread.read()
    assert [step for step, _ in read] == [0, 1]
    assert all(np.isfinite(list(numbers.values())).all() for _, numbers in read)
    assert read[0][1]["loss"] != read[1][1]["loss"]
