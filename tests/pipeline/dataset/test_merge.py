"""Datasets taken apart and joined: the same rows and files, judged as one dataset."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.dataset.forget import Targets, run_forget
from pipeline.dataset.merging import merge
from pipeline.dataset.report import print_faults
from tests.conftest import Dawn
from tests.manifests.rows import add, clip, decision
from tests.pipeline.dataset.killing import KilledError, killed_before
from tests.tables import contents


def clips_of(root: object) -> dict[str, dict[str, Any]]:
    return {row["clip_id"]: row for row in rows(Dataset(str(root)), "FROM clips")}


@pytest.mark.parametrize("compacted", [False, True])
def test_a_dataset_taken_apart_and_joined_is_the_same(
    dataset: Dataset, tmp_path: Path, dawn: Dawn, compacted: bool
) -> None:
    root = Path(shutil.copytree(dataset.path, tmp_path / "whole"))
    if compacted:
        assert dawn("dataset", "compact", root, "--rows-per-file", 300).returncode == 0
    one, two, joined = tmp_path / "one", tmp_path / "two", tmp_path / "joined"
    halves = {one: "source_name < 'o'", two: "NOT (source_name < 'o') -- the rest"}
    for out, where in halves.items():
        made = dawn("dataset", "filter", root, "--where", where, "--out", out)
        assert made.returncode == 0, made.stderr
        assert print_faults(str(out), media=True) == 0
        assert {row["source_name"] < "o" for row in clips_of(out).values()} == {out == one}
    names = {row["duplicate_of"] for row in clips_of(two).values()} - {None}
    assert names <= clips_of(two).keys()
    answer = dawn("dataset", "merge", one, two, "--out", joined)
    assert answer.returncode == 0, answer.stderr
    assert "0 videos in more than one" in answer.stdout
    assert print_faults(str(joined), media=True) == 0
    before, after = contents(root), contents(joined)
    for table in ("frames", "audio"):
        assert after[table] == before[table]
    assert after["media"] == before["media"]
    accepted = {name: row["accepted"] for name, row in clips_of(root).items()}
    assert {name: row["accepted"] for name, row in clips_of(joined).items()} == accepted
    again = dawn("dataset", "merge", one, two, "--out", joined)
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_equal_videos_are_taken_once_and_what_is_forgotten_stays_so(
    dataset: Dataset, tmp_path: Path, dawn: Dawn
) -> None:
    root = Path(shutil.copytree(dataset.path, tmp_path / "less"))
    gone = sorted(clips_of(root))[1]
    run_forget(str(root), Targets(clips=[gone]), [], dry_run=False)
    answer = dawn("dataset", "merge", dataset.path, root, "--out", tmp_path / "joined")
    assert answer.returncode == 0, answer.stderr
    assert "11 videos of 2 datasets" in answer.stdout
    assert "11 videos in more than one, taken once" in answer.stdout
    assert clips_of(tmp_path / "joined").keys() == clips_of(dataset.path).keys() - {gone}
    assert print_faults(str(tmp_path / "joined"), media=False) == 0


def test_a_condition_without_a_clip_makes_nothing(
    dataset: Dataset, tmp_path: Path, dawn: Dawn
) -> None:
    for where, said in (("face_px > 1e9", "no clip matches"), ("no_column > 1", "no_column")):
        answer = dawn(
            "dataset", "filter", dataset.path, "--where", where, "--out", tmp_path / "new"
        )
        assert answer.returncode == 2
        assert said in answer.stderr
        assert not list(tmp_path.iterdir())


def made(root: Path, **videos: dict[str, Any]) -> Path:
    """A dataset of one clip a video, with a recipe that can be loaded."""
    dataset = Dataset(str(root))
    dataset.ensure(Recipe(IngestConfig(use_weights=False), {}).as_dict())
    with dataset.writing() as session:
        for video, columns in videos.items():
            row = clip(video, 0, **columns)
            score = {"score": row["duplicate_score"], "threshold": 0.75, "rule": "max"}
            add(session, video, [row], decisions=[decision(row, filter="duplicate", **score)])
    assert list(faults(dataset)) == []
    return root


def test_somebody_who_would_be_in_two_splits_is_refused_with_the_clips(
    tmp_path: Path, dawn: Dawn
) -> None:
    anna = {"speaker": "anna", "identity": "speaker:anna"}
    one = made(tmp_path / "one", a=anna | {"split": "train"}, c=anna | {"split": "train"})
    two = made(tmp_path / "two", b=anna | {"split": "test"})
    answer = dawn("dataset", "merge", one, two, "--out", tmp_path / "joined")
    assert answer.returncode == 2
    assert "speaker:anna: would be in more than one split" in answer.stderr
    for of, name in ((one, "a-0000000-0"), (one, "c-0000000-0"), (two, "b-0000000-0")):
        assert f"{of}: {name}" in answer.stderr
    assert not (tmp_path / "joined.part").exists()


def test_one_face_is_one_identity_and_its_split_is_held_together(
    tmp_path: Path, dawn: Dawn
) -> None:
    face = [1.0, *[0.0] * 7]
    alike = [0.8, 0.6, *[0.0] * 6]
    one = made(tmp_path / "one", a={"identity": "face:a", "embedding": face})
    two = made(tmp_path / "two", b={"identity": "face:b", "embedding": alike})
    assert dawn("dataset", "merge", one, two, "--out", tmp_path / "joined").returncode == 0
    assert {row["identity"] for row in clips_of(tmp_path / "joined").values()} == {"face:a"}
    three = made(tmp_path / "three", b={"identity": "face:b", "embedding": alike, "split": "val"})
    answer = dawn("dataset", "merge", one, three, "--out", tmp_path / "other")
    assert answer.returncode == 2
    assert "face:a: would be in more than one split" in answer.stderr


def test_copies_of_an_earlier_dataset_are_rejected(tmp_path: Path) -> None:
    looks = {
        "picture_hashes": [(0x9E3779B97F4A7C15 * n) % 2**63 for n in range(1, 11)],
        "motion_curves": [(n * n * 37) % 251 for n in range(200)],
    }
    one = made(tmp_path / "one", a=looks | {"split": "test"})
    two = made(tmp_path / "two", b=looks)
    merge([str(one), str(two)], tmp_path / "joined")
    found = clips_of(tmp_path / "joined")
    assert found["a-0000000-0"]["accepted"]
    assert found["b-0000000-0"]["reasons"] == ["duplicate"]
    assert found["b-0000000-0"]["duplicate_of"] == "a-0000000-0"
    assert print_faults(str(tmp_path / "joined"), media=False) == 0


def test_what_a_killed_merge_left_is_gone_on_with(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one", a={}, c={}), made(tmp_path / "two", b={}, d={})
    roots = [str(one), str(two)]
    with killed_before(None) as changes:
        merge(roots, tmp_path / "expected")
    out = tmp_path / "joined"
    for _ in range(2):
        with pytest.raises(KilledError), killed_before(len(changes) // 3):
            merge(roots, out)
        assert not out.exists()
        assert (tmp_path / "joined.part/dataset.json").exists()
    merge(roots, out)
    assert contents(out) == contents(tmp_path / "expected")
    assert list(faults(Dataset(str(out)))) == []


def test_other_recipes_and_other_labels_are_refused_with_what_differs(
    tmp_path: Path, dawn: Dawn
) -> None:
    one, two = made(tmp_path / "one", a={}), tmp_path / "two"
    Dataset(str(two)).ensure(Recipe(IngestConfig(), {"lr_asd": "0" * 16}).as_dict())
    answer = dawn("dataset", "merge", one, two, "--out", tmp_path / "joined")
    assert answer.returncode == 2
    assert "config.use_weights: False -> True" in answer.stderr
    assert "weights.lr_asd: (absent) -> 0000000000000000" in answer.stderr
