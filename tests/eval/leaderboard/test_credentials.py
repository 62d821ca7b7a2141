"""How many videos are signed stands on the page and in its data."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from eval.leaderboard.exports import as_json
from eval.leaderboard.page import as_html
from tests.boards import board_of
from tests.results_folders import write_results


def test_the_page_counts_videos_that_carry_credentials(tmp_path: Path) -> None:
    for system, carried in (("signed", [True, True]), ("half", [True, False])):
        clips = [{"credentials": one} for one in carried]
        write_results(tmp_path / system, {"psnr": [20.0, 30.0]}, system=system, clips=clips)
    old = write_results(tmp_path / "old", {"psnr": [20.0, 30.0]}, system="old")
    for part in old.parts("clips"):  # of a version that did not look
        pq.write_table(pq.read_table(part).drop_columns(["credentials"]), part)
    board = board_of([tmp_path / name for name in ("signed", "half", "old")])
    said = {
        "signed": "2 of 2 videos carry content credentials",
        "half": "1 of 2 videos carry content credentials",
    }
    (sheet,) = board.sheets
    assert sheet.credentials == said
    assert all(f"{name}: {text}" in as_html(board, ["dawn"]) for name, text in said.items())
    rows = json.loads(as_json(board))["sheets"][0]["rows"]
    assert {row["system"]: row["credentials"] for row in rows} == {**said, "old": None}
