"""Run and result folders: parts that are commits, names that cannot escape or collide."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import InputError
from manifests.runs import RUN_TABLES, RunFolder, item_name
from manifests.schema import schema


def metric(clip: str | None, value: float | None, **more: Any) -> dict[str, Any]:
    row = {"system": "ours", "metric": "psnr", "conditions_hash": "p", "clip_id": clip}
    return row | {"value": value, "n": 1, "n_total": 1, "status": "paper"} | more


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    root = tmp_path / "results" if request.param == "local" else f"memory://{tmp_path.name}"
    return RunFolder(str(root), "results.json")


def test_rows_come_back_and_an_item_written_again_is_not_doubled(folder: RunFolder) -> None:
    assert folder.read("metrics").num_rows == 0
    folder.write("metrics", "a", [metric("a", 1.0), metric("a", None, status="excluded")])
    folder.write("metrics", "b", [metric("b", 2.0)])
    folder.write("metrics", "a", [metric("a", 3.0)])
    assert folder.has("metrics", "a")
    assert not folder.has("metrics", "c")
    rows = folder.read("metrics", ["clip_id", "value"]).to_pylist()
    assert sorted(rows, key=lambda row: row["clip_id"]) == [
        {"clip_id": "a", "value": 3.0},
        {"clip_id": "b", "value": 2.0},
    ]


def test_an_info_file_is_kept_and_another_runs_is_refused(folder: RunFolder) -> None:
    assert not folder.exists
    folder.ensure({"system": "ours", "seed": 1}, fixed=["seed"])
    folder.ensure({"system": "renamed", "seed": 1}, fixed=["seed"])
    assert folder.info()["system"] == "ours"
    with pytest.raises(InputError, match=r"other settings .*seed.*1.*2"):
        folder.ensure({"seed": 2}, fixed=["seed"])


@pytest.mark.parametrize("text", ["", "[]", '{"format": "x"}', "{"])
def test_a_damaged_info_file_is_an_error_of_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json: cannot be read"):
        RunFolder(str(tmp_path), "run.json").info()


def test_a_folder_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="newer version"):
        RunFolder(str(tmp_path), "run.json").info()


def test_one_writer_at_a_time_and_what_a_killed_one_left_is_swept(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path / "run"), "run.json")
    with run.writing(), pytest.raises(InputError, match="another dawn command"), run.writing():
        pass
    half = tmp_path / "run" / ".tmp-left" / "half.mp4"
    half.parent.mkdir()
    half.write_text("half")
    with run.writing():
        assert not half.parent.exists()


@given(st.text(min_size=0, max_size=80), st.text(min_size=0, max_size=80))
def test_item_names_stay_in_the_folder_and_apart(one: str, other: str) -> None:
    name = item_name(one)
    assert name
    assert name.isascii()
    assert not set(name) & set("/\\.\0")
    assert len(name) < 80
    assert (name.lower() == item_name(other).lower()) == (one == other)


def test_every_table_has_a_schema_with_meanings() -> None:
    for columns in RUN_TABLES.values():
        assert all(field.metadata[b"meaning"] for field in schema(columns))
