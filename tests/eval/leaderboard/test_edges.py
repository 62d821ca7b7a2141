"""Boards of next to nothing still make whole pages."""

from pathlib import Path

import numpy as np
import pytest

from eval.leaderboard.exports import EXPORTS
from eval.leaderboard.page import as_html
from tests.boards import board_of
from tests.results_folders import write_results

EMPTY = {"clip_id": "only", "duration_s": None, "frames": None, "reference_frames": None,
         "status": "failed", "reason": "not_generated"}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ({"psnr": [None, None]}, {}),
        ({"psnr": [20.0]}, {}),
        ({"psnr": [20.0, 20.0, 20.0]}, {}),
        ({"psnr": [None]}, {"clips": [EMPTY]}),
        ({"blink_rate": [0.3, 0.4]}, {}),
        ({"psnr": [1e-300, -1e300]}, {}),
        ({}, {"clips": [EMPTY]}),
        ({}, {"clips": [{"clip_id": "a"}], "set_metrics": ["fid_incep2015", "fvd16_i3d400"]}),
        ({"psnr": [1.0, 2.0]}, {"baseline": "real"}),
    ],
    ids=["no number", "one clip", "all alike", "failed", "no reference", "extremes", "no metric",
         "no feature", "no system"],
)  # fmt: skip
def test_little_is_shown_as_little(tmp_path: Path, values: dict, more: dict) -> None:
    for name in ("one", "two"):
        write_results(tmp_path / name, values, system=name, **more)
    board = board_of([tmp_path / "one", tmp_path / "two"], gallery=1)
    page = as_html(board)
    assert "one" in page
    assert "two" in page
    assert "nan" not in page.split("<body")[1].split("<script")[0].lower().replace("nant", "")
    for _, writer in EXPORTS.values():
        assert writer(board)


def test_clips_of_one_speaker_and_of_none(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(20, 1, 12)
    for name, speakers in (("alone", ["s"] * 12), ("mixed", [*["s"] * 6, *[None] * 6])):
        write_results(tmp_path / name, {"psnr": values}, system=name, speakers=speakers)
    (sheet,) = board_of([tmp_path / "alone", tmp_path / "mixed"]).sheets
    (column,) = sheet.columns
    assert all(c and c.low is not None and c.low < c.value < c.high for c in column.cells)
