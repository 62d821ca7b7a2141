"""A split without clips is named, with what there is and what to type instead."""

from pathlib import Path

import pytest

from dawn.training.stages import stage_named
from dawn.training.task import plan
from manifests.errors import InputError
from manifests.split_counts import split_counts
from manifests.store import Dataset
from pipeline.evaluate.inputs import read_references
from pipeline.generate.items import clip_items
from tests.manifests.rows import add, clip, written


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    """One person in train, two in val, nobody in test."""
    with written(str(tmp_path / "d")) as session:
        for video, split in (("a", "train"), ("b", "val"), ("c", "val")):
            add(session, video, [clip(video, split=split)])
    return Dataset(str(tmp_path / "d"))


def said(error: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_to_type_instead_of_a_split_that_is_empty(small: Dataset) -> None:
    assert split_counts(small) == {"train": 1, "val": 2, "test": 0}
    with pytest.raises(InputError) as error:
        clip_items(small, "test")
    there = "has no accepted clip in split test (train 1, val 2, test 0); for all 3 clips give"
    assert f"{there} --split all, or" in said(error)
    with pytest.raises(InputError) as error:
        read_references(f"{small.path}:test")
    assert f"{there} --reference {small.uri}:all, or" in said(error)
    assert len(clip_items(small, "all")) == len(read_references(f"{small.path}:all")[0]) == 3


def test_training_on_too_few_clips(small: Dataset) -> None:
    with pytest.raises(InputError) as error:
        plan("lfg", stage_named("lfg").preset("tiny"), small.path, "out", None, None)
    assert "has 1 accepted clips in split 'train' (val 2, test 0), training needs 2" in said(error)
    assert "a list with train in its column split" in said(error)


def test_a_dataset_without_any_accepted_clip(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        add(session, "a", [clip("a", accepted=False)])
    with pytest.raises(InputError) as error:
        clip_items(Dataset(str(tmp_path / "d")), "all")
    assert 'in no split; `dawn query "FROM funnel()" --dataset' in said(error)
