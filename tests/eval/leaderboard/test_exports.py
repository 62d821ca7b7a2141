import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from eval.leaderboard.board import Board
from eval.leaderboard.exports import as_csv, as_json, as_latex, as_markdown
from eval.leaderboard.page import as_html
from eval.leaderboard.published import published_tables
from pipeline.query import conventions
from tests.boards import CLIPS, HOSTILE, board_of, write_all
from tests.results_folders import write_results


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folders = write_all(tmp_path_factory.mktemp("results"))
    return board_of(folders, gallery=0, title="Ours & *theirs*")


def test_csv_has_a_row_a_system_and_metric(board: Board) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(board))))
    assert len(rows) == 5 * 7
    (row,) = [r for r in rows if r["system"] == "good" and r["metric"] == "psnr"]
    cell = next(c for c in board.sheets[0].columns if c.definition.name == "psnr").cells[0]
    assert cell is not None
    assert float(row["value"]) == cell.value
    assert row["checkpoint"] == "abc"
    assert {r["system"] for r in rows} == {"good", "equal", HOSTILE, "real", "static"}
    assert {r["kind"] for r in rows if r["system"] == "static"} == {"static"}


def test_csv_starts_no_formula(tmp_path: Path) -> None:
    write_results(tmp_path / "a", {"psnr": [20.0, 21.0]}, system="=HYPERLINK(1)")
    (row, *_) = csv.DictReader(io.StringIO(as_csv(board_of([tmp_path / "a"]))))
    assert row["system"] == "'=HYPERLINK(1)"


def test_csv_tells_tables_apart(tmp_path: Path) -> None:
    write_results(tmp_path / "a", {"psnr": [20.0, 21.0]}, reference="one:test")
    write_results(tmp_path / "b", {"psnr": [20.0, 21.0]}, reference="two:test", dataset_hash="e")
    rows = csv.DictReader(io.StringIO(as_csv(board_of([tmp_path / "a", tmp_path / "b"]))))
    found = {(r["table"], r["reference"], r["protocol_hash"]) for r in rows}
    assert [row[:2] for row in sorted(found)] == [("1", "one:test"), ("2", "two:test")]
    assert len({row[2] for row in found}) == 1


def test_printed_tables_mark_proxies_and_missing_clips(board: Board) -> None:
    markdown, latex = as_markdown(board), as_latex(board)
    assert "| csim_src_mbf128 (proxy) ↑ |" in markdown
    assert r"csim\_src\_mbf128 (proxy) $\uparrow$" in latex
    assert " psnr " not in markdown  # not of the headline
    few = board_of_few(board)
    (good,) = [line for line in as_markdown(few).splitlines() if line.startswith("| good ")]
    assert good.endswith(f"{CLIPS - 1}/{CLIPS} |")
    (good,) = [line for line in as_latex(few).splitlines() if line.startswith("{}good ")]
    assert good.count(r"$^\dagger$") == 1


def board_of_few(board: Board) -> Board:
    """With psnr alone, of which each system lacks a clip."""
    (sheet,) = board.sheets
    columns = [column for column in sheet.columns if column.definition.name == "psnr"]
    return replace(board, sheets=[replace(sheet, columns=columns)])


def test_weights_that_are_not_the_registered_ones_make_a_proxy(board: Board) -> None:
    (sheet,) = board.sheets
    (column,) = [c for c in sheet.columns if c.definition.name == "fid_incep2015"]
    assert column.definition.status == "paper"
    trusted = replace(column, cells=[c and replace(c, status="proxy") for c in column.cells])
    text = as_markdown(replace(board, sheets=[replace(sheet, columns=[trusted])]))
    assert "fid_incep2015 (proxy)" in text


def test_the_three_standings_are_said_alike_everywhere(board: Board) -> None:
    (sheet,) = board.sheets
    said = {column.definition.name: column.status for column in sheet.columns if column.shown}
    assert said == {
        "fid_incep2015": "paper", "psnr": "paper", "csim_src_mbf128": "proxy",
        "m_lmd_iod": "proxy", "blink_rate": "own", "real_time_factor": "own",
    }  # fmt: skip
    page, rows = as_html(board), csv.DictReader(io.StringIO(as_csv(board)))
    heads = re.findall(
        r'<th scope="col" class="n" [^>]*data-status="(\w+)" data-metric="(\w+)"', page
    )
    assert {name: status for status, name in heads} == said
    assert {r["metric"]: r["status"] for r in rows if r["value"]} == said
    metrics = json.loads(as_json(board))["sheets"][0]["metrics"]
    assert {m["metric"]: m["status"] for m in metrics if m["metric"] in said} == said
    sql = {row["metric"]: row["status"] for row in conventions().definitions}
    assert {name: sql[name] for name in said} == said
    markdown, latex = as_markdown(board), as_latex(board)
    for name in ("blink_rate", "real_time_factor"):
        assert f"| {name} (own) " in markdown
        assert f"{name.replace('_', chr(92) + '_')} (own) " in latex
    assert "| fid_incep2015 ↓ |" in markdown
    assert "a measure of ours" in markdown
    assert "a measure of ours" in latex


@pytest.mark.parametrize("name", ["[bad]", "*bad*"])
def test_latex_takes_no_name_for_an_option(tmp_path: Path, name: str) -> None:
    write_results(tmp_path / "a", {"psnr": [20.0, 21.0]}, system=name)
    (row,) = [x for x in as_latex(board_of([tmp_path / "a"])).splitlines() if "bad" in x]
    assert row.startswith("{}" + name)


def test_reasons_are_no_part_of_the_text_below(tmp_path: Path) -> None:
    write_results(tmp_path / "a", {"psnr": [20.0, 21.0]})
    write_results(tmp_path / "b", {"psnr": [20.0, 21.0]}, dataset_hash="e" * 16)
    lines = as_markdown(board_of([tmp_path / "a", tmp_path / "b"])).splitlines()
    (place,) = [i for i, line in enumerate(lines) if "shown apart: dataset" in line]
    assert lines[place].startswith("- ")
    assert lines[place + 1] == ""


def test_markdown_marks_the_best_and_escapes_names(board: Board) -> None:
    text = as_markdown(board)
    assert text.startswith("# Ours &#38; \\*theirs\\*\n")
    assert "<script>" not in text
    assert "&#60;script&#62;alert(1)" in text
    (good,) = [line for line in text.splitlines() if line.startswith("| good ")]
    (head,) = [line for line in text.splitlines() if line.startswith("| system ")]
    assert "**" in good
    assert good.count("|") == head.count("|")
    (hostile,) = [line for line in text.splitlines() if "alert" in line]
    assert hostile.replace("\\|", "").count("|") == head.count("|")


def test_latex_escapes_and_balances(board: Board) -> None:
    text = as_latex(board)
    assert r"\textless{}script\textgreater{}" in text
    assert r"\textbackslash{}" in text
    assert r"Ours \& *theirs*" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    ends = {line.replace(r"\&", "").count("&") for line in rows}
    assert len(rows) == 6
    assert len(ends) == 1
    assert r"\textbf{" in text


def test_json_is_whole_and_has_no_nan(board: Board) -> None:
    content = json.loads(as_json(board), parse_constant=lambda name: pytest.fail(name))
    (sheet,) = content["sheets"]
    assert [row["system"] for row in sheet["rows"]][:3] == ["good", "equal", HOSTILE]
    assert sheet["rows"][0]["command"] == ["dawn", "evaluate"]
    assert content["published"][0]["source"].startswith("DAWN")


def test_published_tables_are_those_of_the_paper() -> None:
    tables = {table.number: table for table in published_tables()}
    assert list(tables) == [str(number) for number in range(1, 9)]

    def value(table: str, metric: str, **row: str) -> str | None:
        (found,) = [
            r for r in tables[table].rows if all(getattr(r, k) == v for k, v in row.items())
        ]
        return found.values[tables[table].columns.index(metric)]

    assert value("1", "fid", set="HDTF", method="DAWN") == "9.60"
    assert value("1", "blink_rate", set="CREMA", method="Ground truth") == "0.24"
    assert value("1", "bas", set="HDTF", method="Wav2Lip") is None
    assert value("2", "dr25", method="TTR") == "-0.028"
    assert value("3", "lse_d", setting="600 frames") == "8.02"
    assert value("8", "fvd16", setting="window none") == "63.95"
    for table in tables.values():
        for row in table.rows:
            assert all(v is None or float(v) > -1 for v in row.values)
