"""The rows of `videos` that an ingest holds are those that plain dictionaries would be."""

from pathlib import Path

import pytest

from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.commit import NewParts, commit
from manifests.compact import compact
from manifests.store import Dataset
from pipeline.ingest.committed import Committed
from tests.manifests.rows import add, clip, written

RECIPE = Recipe(IngestConfig(use_weights=False), {})
KEY = RECIPE.extract_key(())
CURRENT = {
    "extract_key": KEY, "audio_key": RECIPE.audio_key(KEY), "judge_key": RECIPE.judge_key(KEY, ()),
}  # fmt: skip
LABEL = {"start": 0, "stop": None, "speaker": "Anna", "licence": None, "split": None, "extra": []}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Videos of all kinds, some in merged parts."""
    changes = {
        "a": {}, "b": {"extract_key": "old"}, "c": {"judge_key": "old"}, "d": {"audio_key": "old"},
        "e": {"labels": [LABEL]}, "f": {"judge_key": None}, "z": {"sources": ["/one", "/two"]},
    }  # fmt: skip
    with written(str(tmp_path / "d")) as session:
        for video, change in changes.items():
            row = add(session, video, [clip(video)])
            commit(session, row | CURRENT | change, NewParts(), row)
        for video in ("m", "n"):  # no clips: keys of parts that it has not do not matter
            row = add(session, video, [])
            gone = {"judge_key": None, "audio_key": None, "detail": "no face"}
            commit(session, row | CURRENT | gone, NewParts(), row)
        dataset = session.dataset
    compact(dataset, 8)
    with dataset.writing() as session:
        row = add(session, "bb", [clip("bb")])
        commit(session, row | CURRENT, NewParts(), row)
    return dataset


def test_rows_are_those_of_the_table(dataset: Dataset) -> None:
    plain = {row["video_id"]: row for row in rows(dataset, "FROM videos")}
    held = Committed(dataset)
    asked = ["a", "bb", "aa", "", "zz", *plain]
    assert [held.get(video) for video in asked] == [plain.get(video) for video in asked]
    held.hold(["e", "n", "nobody"])
    assert [held.get(video) for video in asked] == [plain.get(video) for video in asked]
    with dataset.writing() as session:
        changed = plain["e"] | {"status": "rejected", "detail": "for a reason"}
        for row in (changed, plain["a"] | {"video_id": "new", "clips_part": None}):
            held.put(commit(session, row, NewParts(), plain.get(row["video_id"])))
    assert held.get("e") == changed
    assert held.get("new") == plain["a"] | {"video_id": "new", "clips_part": None}
    assert held.pop("n") == plain["n"]
    assert (held.get("n"), held.pop("n"), held.pop("nobody")) == (None, None, None)
    for most in (2, 100):
        told = [row for few in held.in_order(("video_id", "status"), most) for row in few]
        ids = [row["video_id"] for row in told]
        assert ids == sorted({*plain} - {"n"})
        assert {row["video_id"]: row["status"] for row in told} == {
            video: "rejected" if video == "e" else plain[video]["status"] for video in ids
        }
    assert {row["video_id"]: row for row in rows(dataset, "FROM videos")} == {
        video: held.get(video) or plain["n"] for video in [*plain, "new"]
    }


def test_what_may_be_behind_the_recipe_is_found(dataset: Dataset) -> None:
    found = sorted(row["video_id"] for row in Committed(dataset).unlike(RECIPE))
    assert found == ["b", "c", "d", "e", "f"]


def test_a_dataset_without_rows_has_none(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        held = Committed(session.dataset)
    held.hold(["a"])
    assert held.get("a") is None
    assert list(held.unlike(RECIPE)) == []
