"""Two splits asked for one person: refused before any work, with the rows named."""

from dataclasses import replace
from pathlib import Path

import pytest

from dawn.curation.splits import SplitConfig
from dawn.recipe import IngestConfig, Recipe
from manifests.commit import NewParts, commit
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.ingest.asked_splits import asks_of, refuse_conflicts
from pipeline.ingest.command import IngestOptions, run_ingest
from pipeline.ingest.sources import find_sources
from tests.manifests.rows import add, clip, written

CONFIG = IngestConfig(use_weights=False)
RECIPE = Recipe(CONFIG, {})
HDTF = Recipe(replace(CONFIG, splits=SplitConfig(convention="hdtf")), {})


def excluding(recipe: Recipe) -> Recipe:
    splits = replace(recipe.config.splits, on_conflict="exclude")
    return replace(recipe, config=replace(recipe.config, splits=splits))


def listed(tmp_path: Path, *lines: str) -> list[str]:
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["path,speaker,split,start,end", *lines, ""]))
    return [str(path)]


def refusal(tmp_path: Path, *lines: str, recipe: Recipe = RECIPE, to: str = "none") -> str:
    sources, dataset = find_sources(listed(tmp_path, *lines)), Dataset(str(tmp_path / to))
    refuse_conflicts(sources, dataset, excluding(recipe))
    with pytest.raises(InputError) as error:
        refuse_conflicts(sources, dataset, recipe)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A dataset in which Anna is in train, by two videos."""
    with written(str(tmp_path / "d")) as session:
        for video in ("a1", "a2"):
            row = add(session, video, [clip(video, speaker="Anna ", identity="speaker:Anna ")])
            row |= {"split_key": RECIPE.split_key(), "sources": [str(tmp_path / f"{video}.mp4")]}
            commit(session, row, NewParts(), row)
    return tmp_path / "d"


def test_a_speaker_in_two_splits_is_refused_with_the_rows(tmp_path: Path) -> None:
    said = refusal(tmp_path, "a.mp4,anna,train,,", "b.mp4, anna ,test,,", "c.mp4,ben,val,,")
    assert said.startswith("speaker anna: more than one split is asked for")
    where = f"{tmp_path}/list.csv"
    assert f"test: {where}: row 2 (b.mp4); train: {where}: row 1 (a.mp4)" in said
    assert "correct the list" in said
    assert "on_conflict: exclude" in said


def test_many_rows_and_speakers_are_counted(tmp_path: Path) -> None:
    lines = [f"{who}{k}.mp4,{who},{split},," for who in "ab" for k, split in
             enumerate(["train"] * 5 + ["val"])]  # fmt: skip
    said = refusal(tmp_path, *lines)
    assert "row 3 (a2.mp4) and 2 more" in said
    assert "(and 1 more like this)" in said


def test_a_convention_that_divides_a_speaker_is_refused(tmp_path: Path) -> None:
    lines = ["WRA_MarcoRubio_000.mp4,marco,,,", "WRA_MarcoRubio_001.mp4,marco,,,"]
    said = refusal(tmp_path, *lines, recipe=HDTF)
    assert "row 1 (WRA_MarcoRubio_000.mp4), by convention hdtf" in said
    ok = find_sources(listed(tmp_path, lines[0], "WDA_DanKildee_000.mp4,marco,,,"))
    refuse_conflicts(ok, Dataset(str(tmp_path / "none")), HDTF)  # excluded is no split


def test_parts_of_a_video_without_speakers_are_one_person(tmp_path: Path) -> None:
    lines = ["a.mp4,,train,0,2", "a.mp4,,test,2,4"]
    said = refusal(tmp_path, *lines)
    assert said.startswith(f"video {tmp_path}/a.mp4: ")
    assert "name the speakers" in said
    faces = Recipe(CONFIG, {"identity": "0123"})
    refuse_conflicts(find_sources(listed(tmp_path, *lines)), Dataset(str(tmp_path / "n")), faces)
    named = find_sources(listed(tmp_path, "a.mp4,anna,train,0,2", "a.mp4,ben,test,2,4"))
    refuse_conflicts(named, Dataset(str(tmp_path / "none")), RECIPE)


def test_who_is_in_the_dataset_already_is_held_against_the_list(
    stored: Path, tmp_path: Path
) -> None:
    said = refusal(tmp_path, "new.mp4,Anna,test,,", to="d")
    assert f"train: {tmp_path}/a1.mp4, in the dataset, {tmp_path}/a2.mp4, in the dataset" in said
    assert "list the videos of the dataset as well" in said
    refusal(tmp_path, "a1.mp4,Anna,test,,", "new.mp4,Anna,test,,", to="d")  # a2 stays in train
    all_moved = listed(tmp_path, "a1.mp4,Anna,test,,", "a2.mp4,Anna,test,,", "new.mp4,Anna,test,,")
    refuse_conflicts(find_sources(all_moved), Dataset(str(stored)), RECIPE)
    same = listed(tmp_path, "new.mp4,Anna,train,,", "other.mp4,Anna,,,")
    refuse_conflicts(find_sources(same), Dataset(str(stored)), RECIPE)


def test_a_split_is_known_before_the_row_that_asks_for_it(tmp_path: Path, stored: Path) -> None:
    """The judge sees groups of videos; the list is read whole before."""
    rows = ["a1.mp4,Anna,,,", *(f"{k}.mp4,p{k},,," for k in range(3)), "z.mp4,p1,val,,"]
    asks = asks_of(find_sources(listed(tmp_path, *rows)), Dataset(str(stored)), RECIPE)
    assert asks.splits == {"speaker:p1": "val"}
    assert asks.labelled_anew == {"a1"}


@pytest.mark.parametrize("dry", [False, True])
def test_the_command_refuses_before_any_work(tmp_path: Path, dry: bool) -> None:
    sources = tuple(listed(tmp_path, "a.mp4,anna,train,,", "b.mp4,anna,test,,"))
    with pytest.raises(InputError, match="speaker anna: more than one split is asked for"):
        run_ingest(IngestOptions(sources=sources, dataset=str(tmp_path / "d"), dry_run=dry))
    assert not (tmp_path / "d").exists()


def test_the_rule_for_conflicts_makes_no_other_dataset(tmp_path: Path) -> None:
    other = excluding(RECIPE)
    assert RECIPE.as_dict() == other.as_dict()
    assert RECIPE.split_key() == other.split_key()
    assert RECIPE.judge_key("k", ()) == other.judge_key("k", ())
