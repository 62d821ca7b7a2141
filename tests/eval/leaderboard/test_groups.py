from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.leaderboard.exports import as_json, as_markdown
from eval.leaderboard.groups import grouped, kind_of
from eval.leaderboard.packed import clip_data
from eval.leaderboard.page import as_html
from eval.protocol.card import ProtocolCard
from eval.results.conditions import Conditions
from eval.results.scores import load_results
from tests.boards import board_of
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


def newer(library: str) -> Conditions:
    return replace(CONDITIONS, libraries={**CONDITIONS.libraries, library: "99"})


def test_rows_of_other_devices_are_compared_and_it_is_said(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
    features = {"mfn128": (noise[0], noise[1])}
    for name, devices in (("a", ["cpu"]), ("b", ["cuda (H100)"]), ("c", ["cpu"])):
        write_results(tmp_path / name, VALUES, system=name, features=features,
                      set_metrics=["fid_mfn128"], devices={"fid_mfn128": devices})  # fmt: skip
    board = board_of([tmp_path / name for name in "abc"], gallery=0)
    (sheet,) = board.sheets
    assert [entry.name for entry in sheet.entries] == ["a", "b", "c"]
    assert sheet.other == []
    (line,) = sheet.devices
    assert line.startswith("fid_mfn128: measured on different devices (a: cpu, b: cuda (H100)")
    for text in (as_markdown(board), as_json(board), as_html(board)):
        assert "measured on different devices" in text
    board = board_of([tmp_path / name for name in "ac"], gallery=0)
    assert board.sheets[0].devices == []


def test_a_number_of_other_conditions_is_left_out_of_its_column_alone(tmp_path: Path) -> None:
    values = {**VALUES, "face_rate": [0.9, 0.8, 0.7]}
    noise = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
    faces = {"mfn128": (noise[0], noise[1])}
    for name, conditions in (("a", CONDITIONS), ("b", newer("mediapipe")), ("c", CONDITIONS)):
        write_results(tmp_path / name, values, system=name, conditions=conditions, features=faces,
                      set_metrics=["fid_mfn128"])  # fmt: skip
    write_results(tmp_path / "real", values, system="real", baseline="real", features=faces,
                  set_metrics=["fid_mfn128"])  # fmt: skip
    board = board_of([tmp_path / n for n in ("b", "a", "real", "c")], gallery=0)
    (sheet,) = board.sheets
    (line,) = sheet.other
    assert line.startswith("b: face_rate, fid_mfn128: made under other conditions (libraries.med")
    columns = {column.definition.name: column for column in sheet.columns}
    names = [entry.name for entry in sheet.entries]
    b = names.index("b")
    assert all(cell and cell.value == 21.0 for cell in columns["psnr"].cells)
    for name in ("face_rate", "fid_mfn128"):
        cells = columns[name].cells
        cell = cells[b]
        assert cell is not None
        assert (cell.value, cell.status, cell.rank) == (None, "apart", None)
        assert "libraries.mediapipe" in str(cell.reason)
        assert [c.value is not None for c in cells if c] == [n != "b" for n in names]
        assert columns[name].conditions["libraries"]["mediapipe"] != "99"
        assert "b" not in {d.system for d in columns[name].distributions}
    assert "0.8000, made" in str(columns["face_rate"].cells[b].reason)  # type: ignore[union-attr]
    text, page = as_markdown(board), as_html(board)
    assert "left out: b: face" in text
    assert "fid_mfn128: made under other conditions (libraries.mediapipe" in page
    assert not clip_data(sheet)["metrics"]["face_rate"]["rows"][b]


def test_results_that_share_no_conditions_stand_apart(tmp_path: Path) -> None:
    write_results(tmp_path / "a", VALUES)
    write_results(tmp_path / "b", VALUES, conditions=newer("av"))
    _, apart = grouped([load_results(str(tmp_path / n)) for n in "ab"])
    (reason,) = apart.apart
    assert reason.startswith("psnr: made under other conditions (libraries.av: ")


def test_a_card_of_another_name_is_the_same_card(tmp_path: Path) -> None:
    card = replace(CONDITIONS.card, name="mine", metrics=("psnr",))
    write_results(tmp_path / "a", VALUES)
    write_results(tmp_path / "b", VALUES, conditions=replace(CONDITIONS, card=card))
    (group,) = grouped([load_results(str(tmp_path / n)) for n in "ab"])
    assert group.other == []


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


def test_halves_of_other_real_clips_stand_apart(tmp_path: Path) -> None:
    other = [{"clip_id": "of another folder"}]
    write_results(tmp_path / "a", VALUES)
    write_results(tmp_path / "half", {"psnr": [20.0]}, baseline="real-split", same_take=False,
                  clips=other)  # fmt: skip
    _, alone = grouped([load_results(str(tmp_path / n)) for n in ("a", "half")])
    assert alone.apart == ["real-split: 1 clip, which is not half of the 3 of the first table"]


def test_whoever_knows_of_other_real_videos_keeps_them_out(tmp_path: Path) -> None:
    unknown = {"clips": [{"clip_id": f"clip{i:04d}", "reference_frames": None} for i in range(3)]}
    write_results(tmp_path / "a", VALUES, **unknown)
    write_results(tmp_path / "b", VALUES, references={"psnr": [9.0, 9.0, 9.0]})
    write_results(tmp_path / "c", VALUES, references={"psnr": [1.0, 2.0, 3.0]})
    groups = grouped([load_results(str(tmp_path / n)) for n in "abc"])
    assert [len(group.entries) for group in groups] == [2, 1]
    assert "real videos" in groups[1].apart[0]


@pytest.mark.parametrize("words", [["--baseline", "real"], ["--baseline=real"]])
def test_an_older_bound_is_known_by_its_command(tmp_path: Path, words: list[str]) -> None:
    write_results(tmp_path / "a", VALUES, command=["dawn", "evaluate", *words, "--out", "x"])
    write_results(tmp_path / "b", VALUES, command=["dawn", "evaluate", "--videos", "real"])
    found = [load_results(str(tmp_path / n)) for n in "ab"]
    assert [kind_of(results) for results in found] == ["real", "system"]


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
    (group,) = grouped(
        results, dict(zip([r.folder.uri for r in results], ("a", "b-2"), strict=True))
    )
    assert [entry.name for entry in group.entries] == ["dawn (a)", "dawn (b-2)"]


def test_the_clips_are_described_by_the_row_that_knows_most_of_them(tmp_path: Path) -> None:
    clips = [{"clip_id": n} for n in "xyz"]
    failed = [{**clips[0], "status": "failed", "duration_s": None}, *clips[1:]]
    write_results(tmp_path / "a", VALUES, clips=failed)
    write_results(tmp_path / "b", VALUES, clips=clips)
    write_results(tmp_path / "r", VALUES, clips=clips, baseline="real")
    results = {name: load_results(str(tmp_path / name)) for name in "abr"}
    assert grouped([results["a"], results["b"]])[0].main.results.folder is results["b"].folder
    assert grouped(list(results.values()))[0].main.results.folder is results["r"].folder


def test_no_two_rows_share_a_name(tmp_path: Path) -> None:
    for name, system in (("a", "dawn"), ("b", "dawn"), ("c", "dawn (a)")):
        write_results(tmp_path / name, VALUES, system=system)
    results = [load_results(str(tmp_path / n)) for n in "abc"]
    places = dict(zip([r.folder.uri for r in results], "abc", strict=True))
    (group,) = grouped(results, places)
    assert [e.name for e in group.entries] == ["dawn (a) (a)", "dawn (b)", "dawn (a) (c)"]


def test_a_baseline_of_a_newer_version_is_a_system(tmp_path: Path) -> None:
    write_results(tmp_path / "a", VALUES, baseline="unheard-of")
    results = load_results(str(tmp_path / "a"))
    results = replace(results, info={**results.info})
    assert grouped([results])[0].entries[0].kind == "system"
