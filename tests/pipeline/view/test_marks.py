"""Clips marked as bad: a decision with a reason that outlives judging and goes with its clip."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI

from dawn.curation.decisions import MARKED
from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.errors import InputError
from manifests.marks import read_marks
from manifests.store import STAGED, Dataset
from manifests.validate import faults
from pipeline.cluster.executor import InProcess
from pipeline.dataset.forget import Targets, run_forget
from pipeline.dataset.marking import MOST, mark_clip, unmark_clip
from pipeline.dataset.subset import make_subset
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.query import conventions
from pipeline.view.app import make_app
from pipeline.view.library import find
from tests.pipeline.view.conftest import asking

WHY = 'lips <b>out</b> of "step"'


@pytest.fixture
def own(dataset: Dataset, tmp_path: Path) -> Dataset:
    """A dataset that may be changed."""
    return Dataset(str(shutil.copytree(dataset.path, tmp_path / "own")))


@pytest.fixture
def editing(own: Dataset) -> FastAPI:
    return make_app(find([own.path], conventions().kinds), conventions(), edit=True)


def accepted_clip(dataset: Dataset) -> str:
    sql = "SELECT clip_id FROM clips WHERE accepted ORDER BY clip_id"
    return str(rows(dataset, sql)[0]["clip_id"])


def state(dataset: Dataset, clip: str) -> tuple[bool, list[str], int]:
    (row,) = rows(dataset, f"SELECT accepted, reasons FROM clips WHERE clip_id = '{clip}'")
    (count,) = rows(
        dataset,
        f"SELECT count(*) AS n FROM decisions WHERE clip_id = '{clip}' AND filter = '{MARKED}' "
        "AND verdict = 'fail'",
    )
    return row["accepted"], row["reasons"], count["n"]


def test_a_clip_is_marked_and_the_mark_is_taken_back(own, editing):
    ask, clip = asking(editing), accepted_clip(own)
    before = rows(own, "SELECT * FROM videos ORDER BY video_id")
    assert "Reject this clip" in ask(f"/data/own/clip/{clip}").text
    answer = ask(f"/data/own/clip/{clip}/mark", "POST", json={"reason": f"  {WHY}\n"})
    assert answer.status_code == 200
    assert state(own, clip) == (False, [MARKED], 1)
    assert json.loads((Path(own.path) / f"marks/{clip}.json").read_text())["reason"] == WHY
    page = ask(f"/data/own/clip/{clip}").text
    assert "lips &lt;b&gt;out" in page
    assert "rejected: marked" in page
    assert clip in ask("/data/own?reason=marked").text
    assert [*faults(own)] == []
    assert ask(f"/data/own/clip/{clip}/mark", "DELETE").status_code == 200
    assert state(own, clip) == (True, [], 0)
    assert read_marks(own) == {}
    after = rows(own, "SELECT * FROM videos ORDER BY video_id")
    for old, new in zip(before, after, strict=True):
        assert {k: v for k, v in old.items() if not k.endswith("_part")} == {
            k: v for k, v in new.items() if not k.endswith("_part")
        }
    assert [*faults(own)] == []


def test_a_mark_outlives_another_judging(own):
    clip = accepted_clip(own)
    mark_clip(own, clip, WHY)
    config = IngestConfig(use_weights=False)
    changed = replace(config, filters=replace(config.filters, min_landmarks_found=0.9))
    recipe = Recipe.resolve(changed)
    adopt(own, recipe, update=True)
    ingest([], own, recipe, InProcess())
    assert rows(own, "SELECT DISTINCT threshold AS t FROM decisions WHERE filter = 'landmarks'")[0][
        "t"
    ] == pytest.approx(0.9)
    assert state(own, clip) == (False, [MARKED], 1)
    assert [*faults(own)] == []
    unmark_clip(own, clip)
    assert state(own, clip) == (True, [], 0)


def test_a_mark_goes_with_its_clip(own, tmp_path):
    clip = accepted_clip(own)
    mark_clip(own, clip, WHY)
    make_subset(own.path, "list_contains(reasons, 'marked')", tmp_path / "part")
    assert set(read_marks(Dataset(str(tmp_path / "part")))) == {clip}
    run_forget(own.path, Targets(clips=[clip]), [], dry_run=False)
    assert read_marks(own) == {}
    assert not list((Path(own.path) / "marks").glob("*"))


def test_what_cannot_be_marked_changes_nothing(own, editing):
    ask, clip = asking(editing), accepted_clip(own)
    for reason in ("", "  ", "x" * (MOST + 1)):
        answer = ask(f"/data/own/clip/{clip}/mark", "POST", json={"reason": reason})
        assert answer.status_code == 422
    assert ask("/data/own/clip/none/mark", "POST", json={"reason": "x"}).status_code == 404
    with own.writing():
        answer = ask(f"/data/own/clip/{clip}/mark", "POST", json={"reason": "x"})
        assert answer.status_code == 422
        assert "another dawn command is writing" in answer.text
        assert own.path not in answer.text
    (Path(own.path) / STAGED / "x").mkdir(parents=True)
    with pytest.raises(InputError, match="was stopped"):
        mark_clip(own, clip, "x")
    assert state(own, clip) == (True, [], 0)
    assert read_marks(own) == {}


def test_a_damaged_mark_is_named(own):
    (Path(own.path) / "marks").mkdir()
    (Path(own.path) / "marks/a.json").write_text("{")
    with pytest.raises(InputError, match=r"marks/a\.json: cannot be read"):
        read_marks(own)
