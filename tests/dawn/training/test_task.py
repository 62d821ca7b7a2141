"""A run's identity: the content of everything that decides its numbers, wherever it lies."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dawn import checkpoints
from dawn.lfg.model import LFG
from dawn.training.clips import clips_of
from dawn.training.config import LFGTraining, PBNetTraining
from dawn.training.stages import lfg as lfg_stage
from dawn.training.stages import stage_named
from dawn.training.task import TrainingTask, plan
from manifests.compact import compact
from manifests.config import diff
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.train.run import Resources, train
from tests.small import SMALL_LFG

PBNET = stage_named("pbnet").preset("tiny")
assert isinstance(PBNET, PBNetTraining)


@pytest.fixture
def copied(dataset: Dataset, tmp_path: Path) -> Path:
    """The tables of the dataset, to be changed."""
    root = tmp_path / "copied"
    shutil.copytree(dataset.path, root, ignore=shutil.ignore_patterns("media"))
    return root


def lfg(folder: Path, seed: int) -> str:
    torch.manual_seed(seed)
    checkpoints.save(folder, "lfg", SMALL_LFG, LFG(SMALL_LFG).state_dict(), {})
    return str(folder)


def changes(one: TrainingTask, other: TrainingTask) -> list[str]:
    return [line.split(":")[0] for line in diff(one.recipe(), other.recipe())]


def test_a_first_network_counts_by_its_weights(dataset: Dataset, tmp_path: Path) -> None:
    config = LFGTraining(network=SMALL_LFG)
    begins = [None, lfg(tmp_path / "a", 0), lfg(tmp_path / "b", 1), lfg(tmp_path / "c", 0)]
    tasks = [plan("lfg", config, dataset.path, "out", None, begin) for begin in begins]
    assert tasks[1].hash == tasks[3].hash
    assert len({task.hash for task in tasks}) == 3
    assert changes(tasks[1], tasks[2]) == ["init_sha256"]


def test_a_run_does_not_go_on_from_another_first_network(dataset: Dataset, tmp_path: Path) -> None:
    run = replace(PBNET.run, steps=1, batch=2, validate_every=1, loader_workers=0)
    config = LFGTraining(run=run, network=SMALL_LFG)
    out = str(tmp_path / "run")
    for init, resume in ((lfg(tmp_path / "a", 0), False), (lfg(tmp_path / "moved", 0), True)):
        train(plan("lfg", config, dataset.path, out, None, init), Resources(), resume=resume)
    other = plan("lfg", config, dataset.path, out, None, lfg(tmp_path / "b", 1))
    with pytest.raises(InputError, match=r"made with other settings .*init_sha256"):
        train(other, Resources(), resume=True)


def test_the_clips_that_are_trained_on_count_and_not_where_they_lie(copied: Path) -> None:
    """HuBERT features are not standardised: no statistic tells that footage was added."""
    info = json.loads((copied / "dataset.json").read_text())
    info["recipe"]["weights"]["hubert"] = "0" * 16
    (copied / "dataset.json").write_text(json.dumps(info))

    def planned(root: Path) -> TrainingTask:
        return plan("pbnet", replace(PBNET, states="release"), str(root), "out", None, None)

    whole = planned(copied)
    assert whole.audio == "hubert"
    video = clips_of(Dataset(str(copied)), "train")[0].clip_id.split("-")[0]
    (row,) = (copied / "videos").glob(f"{video}*")
    row.rename(copied / row.name)
    before = planned(copied)
    assert changes(before, whole) == ["clips.train.clips", "clips.train.sha256"]
    (copied / row.name).rename(row)
    compact(Dataset(str(copied)), 10**6)
    assert not row.exists()
    moved = copied.rename(copied.with_name("moved"))
    assert planned(moved).hash == whole.hash


def test_paths_are_absolute_in_a_task_and_no_part_of_its_identity(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lfg(tmp_path / "model/lfg", 0)
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(dataset.path)
    config = stage_named("a2v").preset("tiny")
    one = plan("a2v", config, "data/", "runs/a", "model", None)
    assert (one.dataset, one.out) == (f"{tmp_path}/data", f"{tmp_path}/runs/a")
    assert one.lfg == f"{tmp_path}/model"
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir("deep")
    other = plan("a2v", config, "../data", "b", "../model/lfg", None)
    assert other.out == f"{tmp_path}/deep/b"
    assert other.hash == one.hash


def test_weights_of_losses_count(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / "vgg19.pth"
    monkeypatch.setattr(lfg_stage, "require", lambda name: found)
    config = LFGTraining(network=SMALL_LFG)
    hashes = {plan("lfg", config, dataset.path, "out", None, None).hash}
    for content in (b"one", b"another"):
        found.write_bytes(content)
        asked = replace(config, perceptual="vgg19")
        hashes.add(plan("lfg", asked, dataset.path, "out", None, None).hash)
    assert len(hashes) == 3
