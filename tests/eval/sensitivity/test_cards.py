"""Planted fragile metrics and turned ranks are told, steady ones are not."""

import json
import re
from html import unescape
from pathlib import Path

import duckdb
import numpy as np
import pytest

from eval.leaderboard.board import BoardSettings, make_board
from eval.leaderboard.exports import as_json, as_markdown
from eval.leaderboard.fragility import with_fragility
from eval.leaderboard.groups import grouped
from eval.leaderboard.page import as_html
from eval.results.scores import load_results
from tests.results_folders import write_results

CLIPS = 40


def write_system(root: Path, name: str, psnr: float, moves: dict[str, float]) -> Path:
    """`psnr` on average; each change moves it so far on the first ten clips. ssim stands still,
    blinks come nearer to the real clips' by 0.1 under every change.
    """
    random = np.random.default_rng(1)
    numbers = {
        "psnr": psnr + random.normal(0, 1, CLIPS),
        "ssim": np.full(CLIPS, 0.9) + psnr / 1000,
        "blink_rate": np.full(CLIPS, 0.5),
    }
    real = {"blink_rate": np.full(CLIPS, 0.3)}
    folder = root / name
    write_results(folder, numbers, references=real, system=name)
    for change, moved in moves.items():
        place = folder / "sensitivity" / change
        few = {metric: values[:10].copy() for metric, values in numbers.items()}
        few["psnr"] += moved
        few["blink_rate"] -= 0.1
        write_results(place, few, references={"blink_rate": real["blink_rate"][:10]}, system=name)
        (place / "results.json").rename(place / "sensitivity.json")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """`b` follows `a` by 0.5 dB; crf 28 costs `a` 0.8 more than `b`, crf 18 costs both 0.1."""
    return [
        write_system(tmp_path, "a", 30.0, {"h264_crf18": -0.1, "h264_crf28": -2.0}),
        write_system(tmp_path, "b", 29.5, {"h264_crf18": -0.1, "h264_crf28": -1.2}),
        write_system(tmp_path, "c", 20.0, {"h264_crf18": -0.1, "h264_crf28": -0.1}),
    ]


def test_what_is_fragile_and_what_is_turned(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_board(grouped([load_results(str(f)) for f in folders]), BoardSettings(gallery=0))
    board = with_fragility(board)
    (sheet,) = json.loads(as_json(board))["sheets"]
    found = {one["metric"]: one for one in sheet["sensitivity"]}
    psnr = found["psnr"]["systems"]["a"]
    assert psnr["spread"] == pytest.approx(2.0)
    assert psnr["of_interval"] == pytest.approx(2.0 / psnr["interval_width"])
    assert psnr["of_interval"] > 1
    assert [effect["n"] for effect in psnr["effects"]] == [10, 10]
    assert found["ssim"]["systems"]["a"]["spread"] == pytest.approx(0, abs=1e-12)
    # nearer to the real clips' number: from 0.2 to 0.1 above it
    blinks = found["blink_rate"]["systems"]["a"]
    assert blinks["number"] == pytest.approx(0.2)
    assert blinks["effects"][0]["moved"] == pytest.approx(-0.1)
    first, second = found["psnr"]["neighbours"]
    assert (first["first"], first["second"]) == ("a", "b")
    assert first["distance"] == pytest.approx(0.5)
    assert first["of_distance"] == pytest.approx(4.0)
    assert first["alike"] == ["H.264 crf 28"]
    assert first["alone"] == []
    assert (second["alike"], second["alone"]) == ([], [])
    assert not any(pair["alike"] or pair["alone"] for pair in found["ssim"]["neighbours"])
    told = "PSNR: a before b is turned by H.264 crf 28 on both"
    assert told in as_markdown(board)
    page = as_html(board)
    sql = re.search(r"WITH base AS.*?ORDER BY results, metric, change", unescape(page), re.S)
    assert sql
    monkeypatch.chdir(folders[0].parent)
    with duckdb.connect() as connection:
        moved = {row[:3]: row[3] for row in connection.sql(sql[0]).fetchall()}
    for one in sheet["sensitivity"]:
        for system, card in one["systems"].items():
            for effect in card["effects"]:
                key = system, one["metric"], effect["change"]
                assert moved[key] == pytest.approx(effect["moved"], abs=1e-12)
    assert f"⚠ {told}" in page
    assert "How fragile is a number" in page


def test_a_change_to_one_alone_and_results_without_any(tmp_path: Path) -> None:
    same = {"fps_30": -0.7}
    folders = [write_system(tmp_path, "a", 30.0, same), write_system(tmp_path, "b", 29.5, same)]
    board = make_board(grouped([load_results(str(f)) for f in folders]), BoardSettings(gallery=0))
    found = {one.definition.name: one for one in with_fragility(board).sheets[0].fragility}
    (pair,) = found["psnr"].neighbours
    assert (pair.alike, pair.alone) == ([], ["30 fps"])
    for folder in folders:  # not finished: there are no numbers yet
        place = folder / "sensitivity/fps_30/sensitivity.json"
        place.write_text(json.dumps(json.loads(place.read_text()) | {"complete": False}))
    assert "How fragile" not in as_html(with_fragility(board))
