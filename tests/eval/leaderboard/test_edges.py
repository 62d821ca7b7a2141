"""Boards of next to nothing still make whole pages."""

import re
from pathlib import Path

import duckdb
import numpy as np
import pytest

from eval.leaderboard.exports import EXPORTS, as_markdown
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


@pytest.mark.parametrize(
    ("speakers", "says"),
    [
        ([f"s{i // 2}" for i in range(12)], None),
        ([f"s{i // 4}" for i in range(12)], "fewer than 5 speakers"),
        ([None] * 12, "speakers are not known"),
    ],
)
def test_intervals_that_are_not_over_speakers_say_so(
    tmp_path: Path, speakers: list[str | None], says: str | None
) -> None:
    write_results(tmp_path / "a", {"psnr": [float(i) for i in range(12)]}, speakers=speakers)
    board = board_of([tmp_path / "a"], gallery=0)
    for text in (as_html(board), as_markdown(board)):
        assert ("speakers are not known" in text) == (says == "speakers are not known")
        assert ("fewer than 5 speakers" in text) == (says == "fewer than 5 speakers")


def test_identity_over_time_of_long_and_short_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, frames in (("short", 30), ("long", 300)):  # a frame in five: 6 s and 60 s
        curve = np.linspace(0.9, 0.6, frames).tolist()
        clip = {"clip_id": "a", "csim": curve}
        write_results(tmp_path / name, {"psnr": [20.0]}, system=name, clips=[clip])
    board = board_of([tmp_path / "short", tmp_path / "long"], gallery=0)
    (sheet,) = board.sheets
    assert type(sheet.drift_width_s) is float  # it stands in the query as it is
    assert sheet.drift_width_s == 2.0
    table = as_html(board).split("From second")[1].split("</table>")[0]
    heads, *rows = table.split("<tr>")
    assert heads.count("<th") == max(row.count("<td") for row in rows) == 30
    with duckdb.connect() as connection:
        found = connection.sql(sheet.queries["drift"]).fetchall()
    assert len(found) == sum(len(row.seconds) for row in sheet.drift)


def test_sixteen_rows_look_different(tmp_path: Path) -> None:
    clip = {"clip_id": "a", "csim": [0.9, 0.8, 0.7, 0.6, 0.5]}
    folders = [tmp_path / f"s{k:02}" for k in range(16)]
    for folder in folders:
        write_results(folder, {"psnr": [20.0]}, system=folder.name, clips=[clip])
    page = as_html(board_of(folders, gallery=0))
    legend = page.split('<p class="legend">')[1].split("</p>")[0]
    for looks in (
        re.findall(r'class="swatch ([^"]+)"', legend),
        re.findall(r'<path class="(l\d[^"]*)"', page),
    ):
        assert len(looks) == len(set(looks)) == 16
