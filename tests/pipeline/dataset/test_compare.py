"""Two recipes on the same footage: every clip that moved is named, counted and shown."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dawn.curation.decisions import FilterConfig
from dawn.recipe import IngestConfig
from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.dataset.changes import changes_between, match
from tests.conftest import Dawn, Once, ingest_into
from tests.manifests.rows import add, clip, written

STRICT = IngestConfig(
    use_weights=False, filters=FilterConfig(max_duplicate=0.55, min_seconds=3.0, min_voiced=None)
)


@pytest.fixture
def other(dataset: Dataset, footage: Path, once: Once) -> Path:
    """The sample footage under a recipe with other bounds."""

    def make(root: Path) -> None:
        shutil.copytree(dataset.path, root)
        ingest_into(root, [footage], STRICT, update=True)

    return once("other_bounds", make)


def test_filters_and_clips_that_moved_are_told(
    dataset: Dataset, other: Path, dawn: Dawn, tmp_path: Path
) -> None:
    answer = dawn("dataset", "compare", dataset.path, other, "--out", tmp_path / "page")
    assert answer.returncode == 0, answer.stderr
    said = answer.stdout
    assert "11 videos in both, 0 only in" in said
    assert "recipe: config.filters.max_duplicate: 0.75 -> 0.55" in said
    before = {row["clip_id"]: row for row in rows(dataset, "FROM clips")}
    after = {row["clip_id"]: row for row in rows(Dataset(str(other)), "FROM clips")}
    lost = {n for n in before if before[n]["accepted"] and not after[n]["accepted"]}
    assert len(lost) >= 3
    assert f"{len(lost)} clips lost" in said
    for name in lost:
        assert re.search(rf"lost .*{name}: .*{after[name]['reasons'][0]}", said)
    changes = {entry.name: entry for entry in changes_between(dataset, Dataset(str(other))).filters}
    assert changes["duplicate"].bounds == (0.75, 0.55)
    fails = [n for n in after if "duplicate" in after[n]["reasons"]]
    assert changes["duplicate"].rejected == (0, len(fails))
    assert changes["duplicate"].fails_now == len(fails)
    assert changes["length"].shift == 0
    assert changes["speech"].bounds[1] is None
    page = (tmp_path / "page/index.html").read_text()
    assert page.count("<article") == len(lost)
    assert page.count('src="data:image/jpeg;base64,') == 2 * len(lost)
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    for place in (dataset.path, "http:", "https:", "<script"):
        assert place not in page
    told = re.search(r"filters as before: (.*)", said)
    assert told
    assert "yaw" in told[1]
    assert "duplicate" not in told[1]
    same = dawn("dataset", "compare", dataset.path, dataset.path, "--out", tmp_path / "page")
    assert same.returncode == 0
    assert "no clip moved" in same.stdout


def test_clips_are_matched_by_time_and_place() -> None:
    def at(number: int, start: int, frames: int, x: int = 0) -> dict[str, Any]:
        row = clip("v", number, start_frame=start, frames=frames, crop_x=x)
        return row | {"decisions": {}}

    left, right, alone = at(0, 0, 100), at(1, 0, 100, x=300), at(2, 200, 50)
    begun, rest = at(10, 2, 30), at(11, 40, 60)
    moved, new = at(12, 4, 90, x=290), at(13, 300, 50)
    pairs = match([left, right, alone], [begun, rest, moved, new])
    ids = {(p.before and p.before["clip_id"], p.after and p.after["clip_id"]) for p in pairs}
    assert ids == {
        (left["clip_id"], rest["clip_id"]), (right["clip_id"], moved["clip_id"]),
        (alone["clip_id"], None), (None, begun["clip_id"]), (None, new["clip_id"]),
    }  # fmt: skip
    assert [p.kind for p in pairs if p.before is None] == ["new", "new"]
    assert [p.kind for p in pairs if p.after is None] == ["gone"]


def test_datasets_without_a_common_video_are_refused(tmp_path: Path, dawn: Dawn) -> None:
    for name in ("a", "b"):
        with written(str(tmp_path / name)) as session:
            add(session, name)
    answer = dawn("dataset", "compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "page")
    assert answer.returncode == 2
    assert "have no video in common" in answer.stderr
    assert not (tmp_path / "page").exists()
