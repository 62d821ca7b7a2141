"""The loop: exact to resume, and what stops it leaves the last checkpoint whole."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.distributed as dist

from dawn import checkpoints
from dawn.lfg.model import LFG
from dawn.training import state as state_module
from dawn.training.clips import ClipReader, clips_of
from dawn.training.config import (
    A2VTraining,
    Curriculum,
    LFGTraining,
    PBNetTraining,
    RunSettings,
    Training,
)
from dawn.training.loop import DivergedError, Trainer
from dawn.training.pbnet import SequenceSample
from dawn.training.stages import stage_named
from dawn.training.state import Checkpoints
from dawn.training.states import RELEASE_RANGE
from dawn.training.step import Place, cosine
from dawn.training.task import TrainingTask, plan
from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset
from tests.gradients import gradients_agree
from tests.small import SMALL_A2V, SMALL_LFG

SHORT = RunSettings(
    steps=6, batch=2, lr=1e-3, validate_every=3, validation_clips=2, loader_workers=0, ema=0.9,
    clip_norm=1.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A flow generator with random weights."""
    folder = tmp_path_factory.mktemp("lfg")
    torch.manual_seed(0)
    checkpoints.save(folder, "lfg", SMALL_LFG, LFG(SMALL_LFG).state_dict(), {})
    return str(folder)


def config_of(stage: str, run: RunSettings = SHORT) -> Training:
    if stage == "lfg":
        return LFGTraining(run=run, network=SMALL_LFG)
    if stage == "pbnet":
        tiny = stage_named("pbnet").preset("tiny")
        assert isinstance(tiny, PBNetTraining)
        return replace(tiny, run=run, frames=40, gan_weight=0.1)
    clips = Curriculum(frames_min=3, frames_max=5, reference="random")
    return A2VTraining(run=run, network=SMALL_A2V, clips=clips)


def task_of(
    stage: str, dataset: Dataset, out: Path, flow: str, run: RunSettings = SHORT
) -> TrainingTask:
    lfg = flow if stage == "a2v" else None
    return plan(stage, config_of(stage, run), dataset.path, str(out), lfg, None)  # type: ignore[arg-type]


def quiet(news: dict[str, Any]) -> None:
    pass


def numbers(out: Path) -> list[tuple[Any, ...]]:
    rows = pq.read_table(out / "metrics.parquet").to_pylist()
    return [(r["step"], r["name"], r["value"]) for r in rows if "wait" not in r["name"]]


class Killed(BaseException):
    pass


def dies_at(step: int) -> Callable[[dict[str, Any]], None]:
    def watch(news: dict[str, Any]) -> None:
        if "loss" in news and news["step"] == step:
            raise Killed

    return watch


@pytest.mark.parametrize("stage", ["lfg", "pbnet", "a2v"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    stage: str, dataset: Dataset, flow: str, tmp_path: Path
) -> None:
    Trainer(task_of(stage, dataset, tmp_path / "straight", flow), quiet).run()
    broken = task_of(stage, dataset, tmp_path / "broken", flow)
    with pytest.raises(Killed):
        Trainer(broken, dies_at(5)).run()
    resumed = Trainer(broken, quiet)
    assert resumed.progress.step == 3
    resumed.run()
    whole = [tmp_path / name / "checkpoints/step-000000006" for name in ("straight", "broken")]
    states = [torch.load(path / "training.pt", weights_only=True) for path in whole]
    for key in ("objective", "averaged"):
        one, other = states[0][key], states[1][key]
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one), key
    assert numbers(tmp_path / "straight") == numbers(tmp_path / "broken")
    moved = states[0]["objective"]
    fresh = Trainer(task_of(stage, dataset, tmp_path / "fresh", flow), quiet).objective.state_dict()
    assert any(not torch.equal(moved[name], fresh[name]) for name in fresh)


@pytest.mark.parametrize("stage", ["pbnet", "a2v"])
def test_losses_that_begin_later_are_told_how_far_the_run_is(
    stage: str, dataset: Dataset, flow: str, tmp_path: Path
) -> None:
    trainer = Trainer(task_of(stage, dataset, tmp_path, flow), quiet)
    trainer.run()
    assert trainer.objective.progress == pytest.approx(5 / 6)


def test_what_is_handed_on_is_the_averaged_network_with_its_origin(
    dataset: Dataset, flow: str, tmp_path: Path
) -> None:
    task = task_of("a2v", dataset, tmp_path / "run", flow)
    trainer = Trainer(task, quiet)
    trainer.run()
    network, card = checkpoints.load_network(tmp_path / "run/model/a2v", "a2v")
    assert card.source["lfg_sha256"] == checkpoints.read_card(Path(flow) / "lfg.json").sha256
    assert card.source["audio"] == {
        "features": "log_mel", "mean": task.audio_mean, "std": task.audio_std,
    }  # fmt: skip
    best = trainer.progress.best[0][1]
    state, _ = Checkpoints(RunFolder(task.out, "config.json")).load(best, "cpu")
    own = network.state_dict()
    assert all(torch.equal(own[key], state["averaged"][key]) for key in own)
    assert any(not torch.equal(own[key], state["objective"][f"network.{key}"]) for key in own)
    assert (own["face_mask_encoder.conv1.weight"] != 0).any()


@pytest.mark.parametrize("every", [1, 10])
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(
    every: int, dataset: Dataset, flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of("lfg", dataset, tmp_path / "run", flow)
    trainer = Trainer(task, quiet)
    trainer.read_every = every
    forward, calls = trainer.objective.forward, []

    def spoilt(batch: Any) -> Any:
        calls.append(1)
        loss, parts = forward(batch)
        return loss * (float("nan") if len(calls) == 5 else 1.0), parts

    monkeypatch.setattr(trainer.objective, "forward", spoilt)
    with pytest.raises(DivergedError, match=r"step 5 .*checkpoint of step 3 is kept"):
        trainer.run()
    found = Checkpoints(RunFolder(task.out, "config.json"))
    assert found.steps() == [3]
    assert found.load(3, "cpu")[1].step == 3


def test_numbers_that_are_looked_at_seldom_are_the_same(
    dataset: Dataset, flow: str, tmp_path: Path
) -> None:
    """As on a GPU, where each look waits for it."""
    run = replace(SHORT, steps=12, validate_every=6)
    said: dict[int, list[int]] = {}
    for every in (1, 10):
        trainer = Trainer(
            task_of("pbnet", dataset, tmp_path / str(every), flow, run),
            lambda news, every=every: said.setdefault(every, []).append(news["step"]),
        )
        trainer.read_every = every
        trainer.run()
    assert numbers(tmp_path / "1") == numbers(tmp_path / "10")
    assert said[1] == said[10]


def test_a_full_disk_leaves_the_checkpoint_before(
    dataset: Dataset, flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of("pbnet", dataset, tmp_path / "run", flow)
    save, calls = torch.save, []

    def full(state: Any, path: Path) -> None:
        calls.append(1)
        if len(calls) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(state, path)

    monkeypatch.setattr(state_module.torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        Trainer(task, quiet).run()
    found = Checkpoints(RunFolder(task.out, "config.json"))
    assert found.steps() == [3]
    assert not list((tmp_path / "run").glob(".tmp-*"))
    Trainer(task, quiet).run()
    assert found.steps()[-1] == 6


def test_numbers_are_there_before_the_checkpoint_that_they_belong_to(
    dataset: Dataset, flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of("pbnet", dataset, tmp_path / "run", flow)
    save = Checkpoints.save

    def killed_after(self: Checkpoints, *arguments: Any) -> None:
        save(self, *arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", killed_after)
        with pytest.raises(Killed):
            Trainer(task, quiet).run()
    Trainer(task, quiet).run()
    steps = [step for step, name, _ in numbers(tmp_path / "run") if name == "val/reconstruction"]
    assert steps == [3, 6]


def test_a_damaged_checkpoint_is_named(dataset: Dataset, flow: str, tmp_path: Path) -> None:
    task = task_of("pbnet", dataset, tmp_path / "run", flow, replace(SHORT, steps=3))
    Trainer(task, quiet).run()
    (tmp_path / "run/checkpoints/step-000000003/training.pt").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(InputError, match=r"training\.pt: cannot be read .*remove its folder"):
        Trainer(task, quiet)


def test_unreadable_clips_are_named_and_skipped_up_to_a_limit(
    dataset: Dataset, flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dawn.training.clips import ClipError

    frames = ClipReader.frames
    broken: list[str] = []

    def failing(self: ClipReader, clip: Any, indices: Any) -> Any:
        if not broken:
            broken.append(clip.clip_id)
        if clip.clip_id in broken:
            raise ClipError(f"{clip.video}: is missing")
        return frames(self, clip, indices)

    monkeypatch.setattr(ClipReader, "frames", failing)
    said: list[dict[str, Any]] = []
    run = replace(SHORT, steps=8, validate_every=20)
    trainer = Trainer(task_of("lfg", dataset, tmp_path / "run", flow, run), said.append)
    trainer.run()
    warnings = [news["warning"] for news in said if "warning" in news]
    assert len(warnings) == 1
    assert broken[0] in warnings[0]
    strict = replace(run, max_bad_clips=0)
    with pytest.raises(InputError, match=f"over 0 clips cannot be read.*{broken[0]}"):
        Trainer(task_of("lfg", dataset, tmp_path / "strict", flow, strict), quiet).run()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_parts_of_a_step_add_up_to_the_whole(
    precision: str, dataset: Dataset, flow: str, tmp_path: Path
) -> None:
    """Networks without batch statistics: two halves give the gradient of the whole."""
    gradients, losses = [], []
    for parts in (1, 2):
        run = replace(SHORT, steps=1, batch=4, accumulate=parts, validate_every=1)
        run = replace(run, clip_norm=0.0, precision=precision)
        task = task_of("a2v", dataset, tmp_path / str(parts), flow, run)
        trainer = Trainer(task, quiet)
        trainer.run()
        weights = trainer.objective.network.named_parameters()
        gradients.append({key: weight.grad for key, weight in weights if weight.grad is not None})
        losses.append(
            [value for _, name, value in numbers(tmp_path / str(parts)) if name == "loss"]
        )
    whole, added = gradients
    assert losses[0] == pytest.approx(losses[1], rel=1e-5 if precision == "float32" else 1e-3)
    assert whole.keys() == added.keys()
    flat = [torch.cat([one.flatten() for one in each.values()]) for each in gradients]
    error = float((flat[0] - flat[1]).norm() / flat[0].norm())
    assert error < (1e-4 if precision == "float32" else 0.05)


def test_clips_shorter_than_the_window_are_padded_and_marked(dataset: Dataset) -> None:
    tiny = stage_named("pbnet").preset("tiny")
    assert isinstance(tiny, PBNetTraining)
    clips = clips_of(dataset, "train")
    clip = min(clips, key=lambda clip: clip.frames)
    make = SequenceSample(replace(tiny, frames=clip.frames + 7), 0.0, 1.0, RELEASE_RANGE)
    draw = np.random.default_rng(0)
    sample = make(ClipReader(dataset.path, 8), clip, draw, draw)
    assert sample["valid"].sum() == clip.frames
    assert sample["states"].shape == (clip.frames + 7, 8)
    assert (sample["states"][clip.frames :] == sample["states"][clip.frames - 1]).all()
    assert (sample["audio"][clip.frames :] == 0).all()


def test_the_learning_rate_falls_along_a_cosine() -> None:
    run = RunSettings(steps=100, lr=1.0, lr_end=0.1)
    assert cosine(0, run) == 1.0
    assert cosine(50, run) == pytest.approx(0.55)
    assert cosine(100, run) == pytest.approx(0.1)


def test_the_best_checkpoints_and_the_newest_are_kept(
    dataset: Dataset, flow: str, tmp_path: Path
) -> None:
    run = replace(SHORT, steps=5, validate_every=1, keep_best=2)
    trainer = Trainer(task_of("pbnet", dataset, tmp_path / "run", flow, run), quiet)
    trainer.run()
    best = {step for _, step in trainer.progress.best}
    assert len(best) == 2
    assert set(Checkpoints(RunFolder(str(tmp_path / "run"), "x")).steps()) == best | {5}
    card = json.loads((tmp_path / "run/model/pbnet/pbnet.json").read_text())
    assert card["source"]["step"] == trainer.progress.best[0][1]


def test_bfloat16_trains_too(dataset: Dataset, flow: str, tmp_path: Path) -> None:
    run = replace(SHORT, steps=2, validate_every=2, precision="bfloat16")
    for stage in ("pbnet", "a2v"):
        Trainer(task_of(stage, dataset, tmp_path / stage, flow, run), quiet).run()
        assert (tmp_path / stage / "model" / stage / f"{stage}.json").exists()


@pytest.mark.parametrize("stage", ["lfg", "a2v"])
def test_a_plan_that_cannot_be_is_refused(stage: str, dataset: Dataset, tmp_path: Path) -> None:
    if stage == "a2v":
        with pytest.raises(InputError, match="give --lfg"):
            plan("a2v", config_of("a2v"), dataset.path, str(tmp_path / "run"), None, None)
    else:
        with pytest.raises(InputError, match="is not a dataset"):
            plan("lfg", config_of("lfg"), str(tmp_path), str(tmp_path / "run"), None, None)


def one_of_two(rank: int, task: TrainingTask, meeting: str) -> None:
    """One process of two that share a step."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
    Trainer(task, quiet, Place(rank, 2)).run()
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "parts"), [("pbnet", 1), ("a2v", 2)])
def test_two_processes_take_the_step_that_one_takes(
    stage: str, parts: int, dataset: Dataset, flow: str, tmp_path: Path
) -> None:
    """In parts, too: they meet at the last alone. tests/pipeline/train has LFG, on Ray."""
    run = replace(SHORT, steps=1, batch=4, validate_every=1, ema=0.0)
    Trainer(task_of(stage, dataset, tmp_path / "one", flow, run), quiet).run()
    two = task_of(stage, dataset, tmp_path / "two", flow, replace(run, accumulate=parts))
    torch.multiprocessing.spawn(one_of_two, (two, str(tmp_path / "meeting")), nprocs=2)
    gradients_agree(tmp_path / "one", tmp_path / "two")
