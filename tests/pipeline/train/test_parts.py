"""Curricula: which runs a stage takes, and that a part begins from the one before."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dawn import checkpoints
from dawn.lfg.model import LFG
from dawn.training.config import LFGTraining
from dawn.training.stages import stage_named
from dawn.training.task import begin_from
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.train.command import (
    TrainOptions,
    how_long,
    pace_of,
    run_train,
    runs_of,
    shorthand,
    train_stage,
)
from pipeline.train.run import Resources
from tests.small import SMALL_LFG


def options(stage: str, preset: str = "tiny", **more: str) -> TrainOptions:
    return TrainOptions(stage=stage, dataset="data", out="run", preset=preset, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stage", "preset", "more", "outs"),
    [
        ("lfg", "tiny", {}, ["run/faces", "run/eyes"]),
        ("lfg", "128", {}, ["run"]),
        ("lfg", "128", {"curriculum": "auto"}, ["run/faces", "run/eyes"]),
        ("lfg", "tiny", {"curriculum": "eyes", "init": "faces"}, ["run"]),
        ("lfg", "small", {}, ["run/faces", "run/eyes"]),
        ("a2v", "small", {}, ["run"]),
        ("pbnet", "tiny", {}, ["run"]),
        ("a2v", "tiny", {}, ["run"]),
        ("a2v", "256", {}, ["run/short", "run/long"]),
    ],
)
def test_a_preset_s_runs(stage: str, preset: str, more: dict[str, str], outs: list[str]) -> None:
    assert [part.out for part in runs_of(stage, options(stage, preset, **more))] == outs  # type: ignore[arg-type]


def test_the_small_preset_is_planned_to_take_eight_minutes() -> None:
    """With time to start, to validate and to save; `--minutes` scales the steps of all parts."""
    everything = options("all", "small")
    assert 0.9 < pace_of(everything, 8) < 1.1
    pace = pace_of(everything, 4)
    for stage in ("lfg", "pbnet", "a2v"):
        own = options(stage, "small")
        for whole, half in zip(
            runs_of(stage, own), runs_of(stage, replace(own, pace=pace)), strict=True
        ):
            run = whole.config.run
            assert half.config.run.steps == round(run.steps * pace)
            assert half.config.run.planned_s == pytest.approx(run.planned_s * pace)
    with pytest.raises(InputError, match="--minutes 8: the preset 128 has no plan of time"):
        run_train(replace(options("a2v", "128"), minutes=8))


def test_steps_and_seed_are_short_for_settings() -> None:
    given = {"steps": 100, "seed": 7, "minutes": None}
    changes = shorthand(("run.lr=1e-4", "lfg.run.batch=2"), **given)
    assert changes == ("run.lr=1e-4", "lfg.run.batch=2", "run.steps=100", "run.seed=7")
    for stage, steps in (("lfg", [100, 225]), ("pbnet", [100])):
        own = options(stage, changes=("run.steps=100", "run.seed=7"))
        runs = [part.config.run for part in runs_of(stage, own)]
        assert [run.steps for run in runs] == steps
        assert {run.seed for run in runs} == {7}
    assert shorthand(("run.steps=5",), steps=None, seed=1, minutes=2.0)[0] == "run.steps=5"


@pytest.mark.parametrize(
    ("changes", "more", "says"),
    [(("run.steps=5",), {"steps": 9}, "--steps and --set run.steps=5"),
     (("lfg.run.steps=5",), {"steps": 9}, "--steps and --set lfg.run.steps=5"),
     (("a2v.run.seed=5",), {"seed": 9}, "--seed and --set a2v.run.seed=5"),
     ((), {"steps": 9, "minutes": 2.0}, "--steps and --minutes")],
)  # fmt: skip
def test_what_says_the_same_twice_is_refused(changes, more, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=f"^{says}: both say"):
        shorthand(changes, **({"steps": None, "seed": None, "minutes": None} | more))


def test_how_long_it_takes_is_said_in_one_line() -> None:
    whole = how_long(options("all"))
    assert whole == (
        "the preset tiny takes about an hour and a half on two CPU cores for all stages"
    )
    tenth = how_long(options("all", changes=("lfg.run.steps=400", "run.steps=130")))  # type: ignore[arg-type]
    assert tenth == f"{whole}; this run has about 4 % of its steps"
    assert how_long(options("pbnet")) == f"{whole}; this run has about 8 % of its steps"
    assert "less than 1 %" in str(how_long(options("a2v", "128", changes=("run.steps=2",))))  # type: ignore[arg-type]
    for preset in stage_named("lfg").presets():
        assert preset == "paper" or how_long(options("all", preset)) is not None
    assert "about 50 % of its steps" in str(how_long(replace(options("all", "small"), pace=0.5)))


@pytest.mark.slow
def test_the_small_preset_trains_on_a_cpu(dataset: Dataset, tmp_path: Path) -> None:
    changes = [f"run.{change}" for change in ("batch=2", "loader_workers=0", "validation_clips=1")]
    run_train(
        TrainOptions(
            stage="all", dataset=dataset.path, out=str(tmp_path), preset="small", minutes=0.01,
            changes=tuple(changes), resources=Resources(),
        )
    )  # fmt: skip
    for stage in ("lfg", "pbnet", "a2v"):
        card = checkpoints.read_card(tmp_path / f"model/{stage}/{stage}.json")
        assert card.source["computed"] == {"device": "cpu", "precision": "float32", "tf32": False}
    assert card.architecture["image_size"] == 128


def test_what_the_eyes_part_changes_stays_as_it_was_set() -> None:
    chosen = TrainOptions(
        stage="lfg", dataset="data", out="run", changes=("eyes_weight=7", "run.steps=80")
    )
    first, second = (part.config for part in runs_of("lfg", chosen))
    assert isinstance(first, LFGTraining)
    assert isinstance(second, LFGTraining)
    assert (first.eyes_weight, second.eyes_weight, second.run.steps) == (7, 7, 180)
    assert (first.blink_share, second.blink_share) == (0, 0.5)
    assert (first.network.region_scale, second.network.region_scale) == (0.25, 0.5)
    official = stage_named("lfg").preset("128")
    assert isinstance(official, LFGTraining)
    assert official.eyes_weight == official.blink_share == official.openness_weight == 0


@pytest.mark.parametrize(
    ("stage", "part", "words"),
    [
        ("lfg", "short", "give faces, eyes, auto"),
        ("a2v", "faces", "give short, long, auto"),
        ("lfg", "eyes", "begins from the part faces; give --init"),
        ("a2v", "long", "begins from the part short; give --init"),
        ("all", "eyes", "for all stages give auto"),
        ("all", "eye", "for all stages give auto"),
    ],
)
def test_a_part_that_cannot_be_is_refused(stage: str, part: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        run_train(options(stage, curriculum=part))


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_a_part_takes_the_weights_before_and_its_own_filters(scale: float) -> None:
    torch.manual_seed(0)
    config = stage_named("lfg").preset("tiny").network
    first, second = LFG(config), LFG(replace(config, region_scale=scale))  # type: ignore[arg-type]
    own = {name: value.clone() for name, value in second.named_buffers() if ".down." in name}
    begin_from(second, first, "faces")
    for name, value in second.named_buffers():
        assert name not in own or torch.equal(value, own[name]), name
    for (name, one), other in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other), name


def test_weights_of_another_size_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="faces: its weights do not fit these settings"):
        begin_from(LFG(SMALL_LFG), LFG(stage_named("lfg").preset("tiny").network), "faces")  # type: ignore[arg-type]


@pytest.mark.slow
def test_both_parts_train_and_the_second_is_handed_on(dataset: Dataset, tmp_path: Path) -> None:
    changes = ("run.steps=4", "run.batch=2", "run.validate_every=2", "run.validation_clips=2")
    chosen = TrainOptions(
        stage="lfg", dataset=dataset.path, out=str(tmp_path), resources=Resources(),
        changes=(*changes, "run.loader_workers=0"),
    )  # fmt: skip
    folder = train_stage("lfg", chosen)
    assert Path(folder.removeprefix("file://")) == tmp_path / "model/lfg"
    network, card = checkpoints.load_network(tmp_path / "model/lfg", "lfg")
    assert isinstance(network, LFG)
    assert network.config.region_scale == 0.5
    assert card.sha256 == checkpoints.read_card(tmp_path / "eyes/model/lfg/lfg.json").sha256
    assert (tmp_path / "faces/model/lfg/lfg.json").exists()
