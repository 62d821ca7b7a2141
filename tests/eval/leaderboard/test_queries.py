"""Every number of a board is made again by the query that the page gives for it."""

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from eval.leaderboard.board import Board
from eval.leaderboard.exports import as_json
from eval.leaderboard.queries import MEASURES
from eval.results.stored import SET, set_rows
from tests.boards import board_of, write_all
from tests.results_folders import CONDITIONS, write_results


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_all(tmp_path_factory.mktemp("it's [odd] *"))


@pytest.fixture(scope="module")
def board(folders: list[Path]) -> Board:
    return board_of(folders, gallery=0)


@pytest.fixture(scope="module")
def sheet(board: Board) -> dict[str, Any]:
    return json.loads(as_json(board))["sheets"][0]


@pytest.fixture(autouse=True)
def beside_results(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries name the results folders and no path: they run from where these are."""
    monkeypatch.chdir(folders[0].parent)


def ask(sql: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        connection.sql("SELECT setseed(0.5)").fetchall()
        return connection.sql(sql).to_arrow_table().to_pylist()


def names(sheet: dict[str, Any]) -> dict[str, str]:
    """Results folder -> the row's name."""
    return {row["results"]: row["system"] for row in sheet["rows"]}


def test_table(sheet: dict[str, Any]) -> None:
    of = {(names(sheet)[r["results"]], r["metric"]): r for r in ask(sheet["queries"]["table"])}
    cells = {
        (system, metric["metric"]): cell
        for metric in sheet["metrics"]
        for system, cell in metric["cells"].items()
    }
    assert of.keys() == cells.keys()
    assert len(cells) == 35
    for key, cell in cells.items():
        for name in ("value", "reference", "n", "n_total", "status"):
            assert of[key][name] == cell[name], (key, name)


def test_numbers_quantiles_and_counts_from_clips(sheet: dict[str, Any]) -> None:
    checked = 0
    for metric in sheet["metrics"]:
        sql = metric["queries"].get("numbers and quantiles, from the clips")
        if sql is None:
            assert metric["metric"] in ("fid_incep2015", "fvd16_i3d400")
            continue
        quantiles = {d["system"]: d["quantiles"] for d in metric["distributions"]}
        for row in ask(sql):
            system = names(sheet)[row["results"]]
            cell = metric["cells"][system]
            assert row["value"] == pytest.approx(cell["value"], rel=1e-12)
            assert (row["n"], row["n_total"]) == (cell["n"], cell["n_total"])
            assert row["quantiles"] == pytest.approx(quantiles[system])
            checked += 1
    assert checked == 25


def test_intervals_agree_within_a_tenth_of_their_width(sheet: dict[str, Any]) -> None:
    checked = 0
    for metric in sheet["metrics"]:
        for what, sql in metric["queries"].items():
            if not what.startswith("interval of "):
                continue
            cell = metric["cells"][what.removeprefix("interval of ")]
            (row,) = ask(sql)
            slack = 0.1 * (cell["high"] - cell["low"])
            assert row["low"] == pytest.approx(cell["low"], abs=slack), what
            assert row["high"] == pytest.approx(cell["high"], abs=slack), what
            checked += 1
    assert checked == 25


def test_paired_differences(sheet: dict[str, Any]) -> None:
    checked = 0
    for metric in sheet["metrics"]:
        for difference in metric["differences"]:
            sql = metric["queries"].get(f"{difference['best']} against {difference['system']}")
            if sql is None:  # no gain clip by clip
                assert difference["wins"] is None
                continue
            (row,) = ask(sql)
            assert row["gain"] == pytest.approx(difference["gain"], rel=1e-9)
            assert (row["n"], row["wins"]) == (difference["n"], difference["wins"])
            checked += 1
    assert checked == 6


def test_slices(sheet: dict[str, Any]) -> None:
    checked = 0
    for metric in sheet["metrics"]:
        for part in metric["slices"]:
            sql = metric["queries"][f"by {part['by']}"]
            found = {(names(sheet)[r["results"]], r["bin"]): r for r in ask(sql)}
            for box in part["bins"]:
                for place, row in enumerate(sheet["rows"]):
                    answer = found.get((row["system"], box["label"]))
                    if box["values"][place] is None:
                        assert answer is None
                        continue
                    assert answer is not None, (metric["metric"], box["label"])
                    assert answer["value"] == pytest.approx(box["values"][place], rel=1e-9)
                    assert answer["clips"] == box["clips"][place]
                    checked += 1
    assert checked > 300


@pytest.fixture(scope="module")
def pooled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pooled") / "a"


@pytest.fixture(scope="module")
def pooled(pooled_folder: Path) -> dict[str, Any]:
    """Each kind of clip metric, with more items behind some clips than behind others."""
    chosen = {metric.together: name for name, metric in MEASURES.items()}
    assert len(chosen) == 4
    random = np.random.default_rng(0)
    wanted = list(chosen.values())
    numbers = {name: random.uniform(0.2, 0.8, 40) for name in wanted}
    speakers = [f"s{int(i**0.6)}" for i in range(40)]  # with more and more clips
    folder = write_results(pooled_folder, numbers, references=numbers, speakers=speakers)
    rows = folder.read_item("metrics", "clips").to_pylist()
    for i, row in enumerate(rows):
        row["n"] = 1 + 7 * (i % 5)
    folder.write("metrics", "clips", rows)
    ids, standings = {row["clip_id"] for row in rows}, CONDITIONS.standings(wanted)
    folder.write("metrics", SET, set_rows(folder, CONDITIONS.card, standings, "system", ids))
    return json.loads(as_json(board_of([pooled_folder], gallery=0)))["sheets"][0]


def test_clips_weigh_what_is_behind_them(
    pooled: dict[str, Any], pooled_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pooled_folder.parent)
    for metric in pooled["metrics"]:
        cell = metric["cells"]["system"]
        (row,) = ask(metric["queries"]["numbers and quantiles, from the clips"])
        assert row["value"] == pytest.approx(cell["value"], rel=1e-12), metric["metric"]
        (part,) = [part for part in metric["slices"] if part["by"] == "speaker"]
        found = {row["bin"]: row["value"] for row in ask(metric["queries"]["by speaker"])}
        for box in part["bins"]:
            assert found[box["label"]] == pytest.approx(box["values"][0], rel=1e-9)


def test_intervals_of_unequal_clips_and_speakers(
    pooled: dict[str, Any], pooled_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pooled_folder.parent)
    checked = 0
    for metric in pooled["metrics"]:
        sql = metric["queries"].get("interval of system")
        if sql is None:  # no mean
            continue
        cell, (row,) = metric["cells"]["system"], ask(sql)
        slack = 0.1 * (cell["high"] - cell["low"])
        assert row["low"] == pytest.approx(cell["low"], abs=slack)
        assert row["high"] == pytest.approx(cell["high"], abs=slack)
        checked += 1
    assert checked == 2


def test_drift(sheet: dict[str, Any]) -> None:
    found: dict[str, list[tuple[float, float, int]]] = {}
    for row in ask(sheet["queries"]["drift"]):
        found.setdefault(names(sheet)[row["results"]], []).append(
            (row["second"], row["csim"], row["clips"])
        )
    for row in sheet["drift"]["rows"]:
        seconds, values, clips = zip(*found[row["system"]], strict=True)
        assert list(seconds) == row["seconds"]
        assert list(clips) == row["clips"]
        assert list(values) == pytest.approx(row["values"], rel=1e-6)
    assert len(sheet["drift"]["rows"]) == 5


def test_speed_and_failures(sheet: dict[str, Any]) -> None:
    found = {names(sheet)[r["results"]]: r for r in ask(sheet["queries"]["speed"])}
    for row in sheet["speed"]:
        for name in ("factor", "median", "p95", "hours", "clips"):
            assert found[row["system"]][name] == pytest.approx(row[name]), name
    failed = ask(sheet["queries"]["failures"])
    assert len(failed) == sum(len(row["clips"]) for row in sheet["failures"]) == 5
    assert {row["reason"] for row in failed} == {"unreadable"}
