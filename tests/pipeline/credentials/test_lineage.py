"""From clip to number in one query; what was forgotten is withdrawn everywhere downstream."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dawn.checkpoints import read_card
from dawn.lfg.config import LFG_TINY
from dawn.sampling.settings import GenerateConfig
from dawn.training.clips import clip_list
from manifests.catalog import rows
from manifests.parquet import write_parquet
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.actors import OneHere
from pipeline.dataset.forget import Targets, run_forget
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.worker import Maker
from tests.conftest import Dawn
from tests.models import write_network
from tests.results_folders import write_results
from tests.run_folders import write_training


def train(work: Path, name: str, seed: int, *, listed: bool = True, **recipe: Any) -> str:
    """A run of LFG as `dawn train` leaves it; returns the digest of its network."""
    run = write_training(work / name, "lfg", {"loss": [1.0]})
    run.write_info(run.info() | {"dataset": str(work / "d"), "recipe": recipe})
    if listed:
        write_parquet(work / name / "clips.parquet", clip_list(Dataset(str(work / "d"))))
    write_network(work / name / "model/lfg", "lfg", LFG_TINY, seed)
    return read_card(work / name / "model/lfg/lfg.json").sha256


def make(work: Path, name: str, checkpoint: str | None, baseline: str, **more: Any) -> list[dict]:
    """Videos of a baseline; returns the run's rows."""
    wanted = ManyOptions(
        config=GenerateConfig(), checkpoint=checkpoint, dataset=str(work / "d"), split="train",
        out=str(work / name), baseline=baseline, max_seconds=0.4, device="cpu", **more,
    )  # fmt: skip
    generate_many(wanted, OneHere(Maker, plan_run(wanted).task))
    return RunFolder(str(work / name), "run.json").read("generations").to_pylist()


@pytest.fixture
def work(dataset: Dataset, tmp_path: Path) -> Path:
    """A dataset, and a network that learnt from it."""
    work = tmp_path / "work"
    shutil.copytree(dataset.path, work / "d")
    train(work, "trained", 0)
    return work


def measure(work: Path, name: str, made: list[dict]) -> None:
    """Results of a run."""
    clips = [{"clip_id": row["clip_id"], "video": str(work / name / row["video"])} for row in made]
    values = {"psnr": [20.0] * len(made)}
    write_results(work / f"results/{name}", values, clips=clips, system=name)


def asked(dawn: Dawn, *arguments: object) -> list[dict[str, Any]]:
    answer = dawn("lineage", *arguments, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def test_a_forgotten_clip_is_withdrawn_everywhere_downstream(work: Path, dawn: Dawn) -> None:
    learnt = clip_list(Dataset(str(work / "d")))["clip_id"].to_pylist()
    measure(work, "moved", make(work, "moved", str(work / "trained/model"), "reconstruct", limit=2))
    measure(work, "still", make(work, "still", None, "static", limit=2))
    found = asked(dawn, work / "moved")
    assert [row["state"] for row in found] == ["there", "there"]
    for row in found:
        assert row["trained_clips"] == len(learnt)
        assert (row["trained_withdrawn"], row["checkpoint_state"]) == (0, "there")
        assert row["networks"][0]["run"] == str(work / "trained")
        assert row["dataset"] == str(work / "d")
        assert [one["metric"] for one in row["numbers"]] == ["psnr"]
        assert Path(row["video"]).is_file()
        (clip,) = rows(Dataset(row["dataset"]), f"FROM clips WHERE clip_id = '{row['clip_id']}'")
        assert (row["speaker"], row["licence"]) == (clip["speaker"], clip["licence"])

    shown = {row["clip_id"] for row in found}
    gone = next(name for name in learnt if name not in shown)
    run_forget(str(work / "d"), Targets(clips=[gone]), [], dry_run=False)
    for place in ("moved", "results/moved", "trained", found[0]["video"]):
        after = asked(dawn, work / place)
        assert after, place
        for row in after:
            assert (row["state"], row["checkpoint_state"]) == ("withdrawn", "withdrawn"), place
            assert row["trained_withdrawn"] == 1
    assert [row["state"] for row in asked(dawn, work / "still")] == ["there", "there"]
    text = dawn("lineage", work / "moved").stdout
    assert text.startswith("2 videos: 2 withdrawn; 2 numbers")
    assert "1 of them WITHDRAWN since" in text
    assert "numbers, WITHDRAWN, of" in text

    run_forget(str(work / "d"), Targets(clips=[found[0]["clip_id"]]), [], dry_run=False)
    states = {row["clip_id"]: row["state"] for row in asked(dawn, work / "results/still")}
    assert states.pop(found[0]["clip_id"]) == "withdrawn"
    assert set(states.values()) == {"there"}
    out = work / "lineage.csv"
    assert dawn("lineage", work / "still", "--format", "csv", "--out", out).returncode == 0
    assert {row["state"] for row in csv.DictReader(out.open())} == {"there", "withdrawn"}


def test_what_was_begun_from_a_withdrawn_network_is_withdrawn(work: Path, dawn: Dawn) -> None:
    base = read_card(work / "trained/model/lfg/lfg.json").sha256
    learnt = clip_list(Dataset(str(work / "d")))["clip_id"].to_pylist()
    run_forget(str(work / "d"), Targets(clips=[learnt[-1]]), [], dry_run=False)
    train(work, "further", 1, init_sha256=base)
    train(work, "alone", 2)
    train(work, "old", 3, listed=False)
    states = {
        name: {row["checkpoint_state"] for row in asked(dawn, work / name)}
        for name in ("further", "alone", "old")
    }
    assert states == {"further": {"withdrawn"}, "alone": {"there"}, "old": {"unknown"}}


def test_a_video_alone_is_traced_by_what_it_says(work: Path, dawn: Dawn, tmp_path: Path) -> None:
    make(work, "moved", str(work / "trained/model"), "reconstruct", limit=1)
    (video,) = (work / "moved/videos").iterdir()
    copy = Path(shutil.copy(video, work / "sent.mp4"))
    (row,) = asked(dawn, copy, "--runs", work)
    assert row["checkpoint_state"] == "there"
    assert row["networks"][0]["run"] == str(work / "trained")
    (tmp_path / "none.mp4").write_bytes(b"nothing")
    for target, says in (
        (tmp_path / "none.mp4", "does not say what made it"),
        (tmp_path / "gone", "no such file or folder"),
        (tmp_path, "is no run"),
    ):
        answer = dawn("lineage", target)
        assert answer.returncode == 2
        assert says in answer.stderr
        assert answer.stderr.count("\n") == 1
