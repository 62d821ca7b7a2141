"""What a reader is told first, and the board on the Hub."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub._eval_results import parse_eval_result_entries

from eval.leaderboard.board import Board
from eval.leaderboard.figure import as_picture
from eval.leaderboard.hub import model_cards, space_readme
from tests.boards import board_of, write_all
from tests.results_folders import write_results


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return board_of(write_all(tmp_path_factory.mktemp("results")), gallery=0)


def test_who_leads_and_what_a_still_picture_says(board: Board) -> None:
    summary = board.sheets[0].summary
    assert summary.sentences[0].startswith("good leads: best or not shown worse")
    assert [placing.system for placing in summary.placings[:2]] == ["good", "equal"]
    assert any("shown to beat a still picture on 4 of 4 measures" in s for s in summary.sentences)
    assert "40 clips of 10 speakers" in summary.sentences[-1]


def test_what_does_not_beat_a_still_picture_is_said_so(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(20, 1, 12)
    speakers = [f"s{i}" for i in range(12)]
    write_results(tmp_path / "a", {"psnr": values - 1}, system="mine", speakers=speakers)
    write_results(tmp_path / "b", {"psnr": values}, system="still", speakers=speakers,
                  baseline="static")  # fmt: skip
    (sheet,) = board_of([tmp_path / "a", tmp_path / "b"], gallery=0).sheets
    first = sheet.summary.sentences[0]
    assert first == "mine is shown to beat a still picture on none of 1 measure and worse on PSNR."
    assert sheet.summary.leads[0].text.endswith("worse")


def test_too_few_speakers_to_show_anything_are_said_so(tmp_path: Path) -> None:
    for place, name in enumerate("ab"):
        write_results(tmp_path / name, {"psnr": np.arange(5.0) + 9 * place}, system=name,
                      speakers=[f"s{i}" for i in range(5)])  # fmt: skip
    (sheet,) = board_of([tmp_path / "a", tmp_path / "b"], gallery=0).sheets
    assert "which takes 6 speakers or more" in sheet.summary.sentences[-1]
    assert sheet.summary.sentences[0].startswith("No system is shown to lead: ")


def test_intervals_end_at_the_metric_s_range(tmp_path: Path) -> None:
    values = {"ssim": [0.99, 1.0, 0.4, 1.0, 1.0, 0.98]}
    write_results(tmp_path / "a", values, speakers=[f"s{i}" for i in range(6)])
    (sheet,) = board_of([tmp_path / "a"], gallery=0).sheets
    cell = sheet.columns[0].cells[0]
    assert cell is not None
    assert cell.high == 1.0


def test_a_space_and_model_cards_are_read_by_the_hub_s_own_library(board: Board) -> None:
    settings = yaml.safe_load(space_readme(board).split("---")[1])
    assert (settings["sdk"], settings["app_file"]) == ("static", "index.html")
    files = model_cards(board, "owner/bench")
    assert {name.split("/")[0] for name in files} >= {"good", "equal"}
    assert len(files) == 6
    entries = parse_eval_result_entries(
        yaml.safe_load(files["good/.eval_results/dawn-pipeline.yaml"])
    )
    cell = next(c for c in board.sheets[0].columns if c.definition.name == "psnr").cells[0]
    assert cell is not None
    (psnr,) = [entry for entry in entries if entry.task_id == "psnr"]
    assert (psnr.dataset_id, psnr.value) == ("owner/bench", cell.value)
    card = ModelCard(files["good/README.md"])
    assert card.data.eval_results is not None
    assert {r.metric_type for r in card.data.eval_results} == {e.task_id for e in entries}


def test_pictures_of_the_chart_are_the_same_each_time(board: Board) -> None:
    assert as_picture(board, "svg") == as_picture(board, "svg")
    assert as_picture(board, "png")[:4] == b"\x89PNG"
