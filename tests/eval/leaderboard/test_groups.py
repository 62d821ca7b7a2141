from dataclasses import replace
from pathlib import Path

import pytest

from eval.conditions import Conditions
from eval.leaderboard.groups import grouped
from eval.protocol import ProtocolCard
from eval.scores import load_results
from tests.results_folders import CONDITIONS, write_results

VALUES = {"psnr": [20.0, 21.0, 22.0]}


def test_systems_come_before_bounds(tmp_path: Path) -> None:
    for name, info in (("real", {"baseline": "real"}), ("b", {}), ("a", {})):
        write_results(tmp_path / name, VALUES, system=name, **info)
    (group,) = grouped([load_results(str(tmp_path / n)) for n in ("real", "b", "a")])
    assert [entry.name for entry in group.entries] == ["b", "a", "real"]
    assert [entry.ranked for entry in group.entries] == [True, True, False]
    assert group.apart == []


def test_another_protocol_stands_apart_and_says_what_differs(tmp_path: Path) -> None:
    other = Conditions(ProtocolCard(name="made", size=128), CONDITIONS.weights, {})
    write_results(tmp_path / "a", VALUES)
    write_results(tmp_path / "b", VALUES, conditions=other)
    first, second = grouped([load_results(str(tmp_path / n)) for n in "ab"])
    assert len(first.entries) == len(second.entries) == 1
    assert "size" in " ".join(second.apart)
    assert "128" in " ".join(second.apart)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dataset_hash": "e" * 16}, "dataset"),
        ({"clips": [{"clip_id": n} for n in "xyz"]}, "clip list"),
        ({"references": {"psnr": [1.0, 2.0, 3.0]}}, "real videos"),
    ],
)
def test_other_clips_stand_apart(tmp_path: Path, change: dict, says: str) -> None:
    write_results(tmp_path / "a", VALUES, references={"psnr": [9.0, 9.0, 9.0]})
    write_results(tmp_path / "b", VALUES, **{"references": {"psnr": [9.0, 9.0, 9.0]}, **change})
    groups = grouped([load_results(str(tmp_path / n)) for n in "ab"])
    assert len(groups) == 2
    assert says in groups[1].apart[0]


def test_halves_of_the_real_clips_stand_with_their_own(tmp_path: Path) -> None:
    write_results(tmp_path / "half", {"psnr": [20.0]}, baseline="real-split", same_take=False)
    write_results(tmp_path / "a", VALUES)
    write_results(tmp_path / "far", VALUES, dataset_hash="e" * 16)
    groups = grouped([load_results(str(tmp_path / n)) for n in ("half", "a", "far")])
    assert [[entry.kind for entry in group.entries] for group in groups] == [
        ["system", "real-split"],
        ["system"],
    ]
    assert groups[0].main.kind == "system"


def test_one_name_twice_also_says_the_folder(tmp_path: Path) -> None:
    for name in "ab":
        write_results(tmp_path / name, VALUES, system="dawn")
    results = [load_results(str(tmp_path / n)) for n in "ab"]
    (group,) = grouped(results, {results[0].folder.uri: "runs/a"})
    assert [entry.name for entry in group.entries] == ["dawn (runs/a)", f"dawn ({tmp_path}/b)"]


def test_a_baseline_of_a_newer_version_is_a_system(tmp_path: Path) -> None:
    write_results(tmp_path / "a", VALUES, baseline="unheard-of")
    results = load_results(str(tmp_path / "a"))
    results = replace(results, info={**results.info})
    assert grouped([results])[0].entries[0].kind == "system"
