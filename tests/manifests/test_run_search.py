"""Runs are found where users keep them, once, under names that tell them apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import InputError
from manifests.run_search import Kind, find_runs
from manifests.runs import RunFolder

KINDS = (
    Kind("results", "results.json", "protocol_hash"),
    Kind("training", "config.json", "recipe"),
)


def make(root: Path | str, kind: int = 0, **info: Any) -> RunFolder:
    folder = RunFolder(str(root), KINDS[kind].info_name)
    folder.write_info({KINDS[kind].key: "x", **info})
    return folder


def names(*roots: Path | str) -> list[tuple[str, str]]:
    return [(run.kind, run.name) for run in find_runs(map(str, roots), KINDS)]


def test_a_folder_itself_and_those_below_it(tmp_path: Path) -> None:
    make(tmp_path / "first" / "a2v" / "long", 1)
    make(tmp_path / "first" / "lfg", 1)
    make(tmp_path / "dawn")
    expected = [("results", "dawn"), ("training", "first/a2v/long"), ("training", "first/lfg")]
    assert names(tmp_path) == expected
    assert names(tmp_path / "dawn") == [("results", "dawn")]
    assert names(f"{tmp_path}/dawn/") == [("results", "dawn")]
    assert names(tmp_path / "first") == [("training", "a2v/long"), ("training", "lfg")]


def test_one_given_twice_is_found_once(tmp_path: Path) -> None:
    make(tmp_path / "all" / "dawn")
    (tmp_path / "all" / "a latest").symlink_to(tmp_path / "all" / "dawn")
    (tmp_path / "all" / "loop").symlink_to(tmp_path / "all")
    assert names(tmp_path / "all", tmp_path / "all" / "dawn") == [("results", "dawn")]


def test_a_link_to_a_run_elsewhere_is_followed(tmp_path: Path) -> None:
    make(tmp_path / "disk" / "run")
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "linked").symlink_to(tmp_path / "disk" / "run")
    assert names(tmp_path / "all") == [("results", "linked")]


def test_names_that_would_be_two_s_are_whole_paths(tmp_path: Path) -> None:
    for parent in ("one", "two"):
        make(tmp_path / parent / "dawn")
    both = names(tmp_path / "one", tmp_path / "two")
    assert both == [("results", f"{tmp_path}/{parent}/dawn") for parent in ("one", "two")]


def test_what_a_run_or_a_dataset_holds_is_not_searched(tmp_path: Path) -> None:
    make(tmp_path / "run")
    make(tmp_path / "run" / "videos" / "x")
    make(tmp_path / "run" / ".tmp-x")
    make(tmp_path / "run" / "results")
    make(tmp_path / "data" / "media")
    (tmp_path / "data" / "dataset.json").write_text("{}")
    assert names(tmp_path) == [("results", "run"), ("results", "run/results")]


def test_other_programs_files_of_that_name_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path / "dawn")
    for folder, text in (("model", '{"layers": 3}'), ("list", "[1]")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(text)
    assert names(tmp_path) == [("results", "dawn")]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), (json.dumps({"format": 99, "protocol_hash": "x"}), "newer version")],
)
def test_a_damaged_or_newer_info_file_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "dawn").mkdir()
    (tmp_path / "dawn" / "results.json").write_text(text)
    with pytest.raises(InputError, match=message):
        names(tmp_path)


def test_a_root_without_a_run_is_an_error_that_names_it(tmp_path: Path) -> None:
    make(tmp_path / "dawn")
    (tmp_path / "empty").mkdir()
    make(tmp_path / "deep" / "1" / "2" / "3" / "4" / "5")
    for root in ("empty", "deep"):
        with pytest.raises(InputError, match=rf"{root}: no run is in it .*dawn evaluate"):
            names(tmp_path / "dawn", tmp_path / root)
    with pytest.raises(InputError, match=r"none: there is no such folder; give"):
        names(tmp_path / "none")
    with pytest.raises(InputError, match=r"dawn/results\.json: there is no such folder"):
        names(tmp_path / "dawn" / "results.json")
    with pytest.raises(InputError, match=r"nosuch://x: cannot be opened"):
        names("nosuch://x")


def test_an_object_store(tmp_path: Path) -> None:
    root = f"memory://{tmp_path.name}/s"
    make(f"{root}/a/dawn")
    (run,) = find_runs([root], KINDS)
    assert run.name == "a/dawn"
    assert run.folder.info()["protocol_hash"] == "x"
