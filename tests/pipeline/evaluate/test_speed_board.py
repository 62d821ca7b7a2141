"""Speed beside quality, on the page and in the exports."""

import csv
import json
import re
import sys
from pathlib import Path

import duckdb
import pytest

from eval.leaderboard.bench import query, query_fit, staircase, with_speed
from eval.leaderboard.board import Board
from eval.speed.groups import Plot, Point
from eval.speed.runs import load_speed
from manifests.errors import InputError
from pipeline.cli.app import main
from pipeline.evaluate.command import EvaluateOptions, plan
from pipeline.evaluate.leaderboard import check_out
from pipeline.evaluate.run import info
from tests.boards import HOSTILE, board_of, write_all
from tests.films import drift, write_film
from tests.results_folders import write_results
from tests.run_folders import write_generations
from tests.speed_folders import write_speed


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_all(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def board(folders: list[Path]) -> Board:
    return board_of(folders, gallery=0)


def test_the_front_and_what_is_beaten(board: Board, tmp_path: Path) -> None:
    times = {"good": 0.5, "equal": 0.9, HOSTILE: 0.1}
    found = [
        load_speed(write_speed(tmp_path / str(place), name, 2.0, work, spread=0.01))
        for place, (name, work) in enumerate(times.items())
    ]
    (group,) = with_speed(board, found).sheets[0].bench
    assert [row.timed.system for row in group.rows] == [HOSTILE, "good", "equal"]
    plot = next(plot for plot in group.plots if plot.metric == "csim_src_mbf128")
    on = {point.system: point.on_front for point in plot.points}
    values = {point.system: point.value for point in plot.points}
    assert on[HOSTILE]  # the worst, and the fastest
    assert on["good"]
    assert on["equal"] == (values["equal"] > values["good"])
    assert group.sentences[0].startswith(f"{HOSTILE} is the fastest of 3: it takes 0.1")


def test_devices_and_inputs_are_never_mixed(board: Board, tmp_path: Path) -> None:
    one = load_speed(write_speed(tmp_path / "a", "good", 2.0, 0.5))
    other = load_speed(write_speed(tmp_path / "b", "equal", 2.0, 0.1, device="NVIDIA T4"))
    inputs = {**one.info["inputs"], "audio_sha256": "another"}
    third = load_speed(write_speed(tmp_path / "c", HOSTILE, 2.0, 0.1, inputs=inputs))
    groups = with_speed(board, [one, other, third]).sheets[0].bench
    assert [[row.timed.system for row in group.rows] for group in groups] == [
        ["good"], ["equal"], [HOSTILE],
    ]  # fmt: skip
    assert not any(group.plots for group in groups)  # one point has nothing to be held against


def test_an_evaluation_keeps_which_device_made_the_videos(tmp_path: Path) -> None:
    for folder in ("real", "run/videos"):
        (tmp_path / folder).mkdir(parents=True)
        write_film(tmp_path / folder / "clip0000.mkv", drift(6))
    write_generations(tmp_path / "run", [{"video": "videos/clip0000.mkv"}], device="cuda (H100)")
    job = plan(
        EvaluateOptions(
            run=str(tmp_path / "run"), reference=str(tmp_path / "real"), out=str(tmp_path / "out"),
            metrics="psnr",
        )
    )  # fmt: skip
    assert info(job)["generated_on"] == ["cuda (H100)"]


def test_times_of_generations_on_other_devices_rank_nobody(tmp_path: Path) -> None:
    factors = [1.0, 1.1, 0.9, 1.0]
    for name, device, times in (("a", "cpu", 1.0), ("b", "cuda (H100)", 9.0)):
        write_results(
            tmp_path / name, {"real_time_factor": [times * f for f in factors]}, system=name,
            generated_on=[device],
        )  # fmt: skip
    (sheet,) = board_of([tmp_path / "a", tmp_path / "b"], gallery=0).sheets
    (column,) = sheet.columns
    assert [(cell.rank, cell.best) for cell in column.cells if cell] == [(None, False)] * 2
    (line,) = sheet.devices
    assert line == (
        "real_time_factor: the videos were made on different devices (a: cpu, b: cuda (H100)); "
        "not comparable"
    )


def test_what_cannot_be_placed_is_told(board: Board, tmp_path: Path) -> None:
    timed = load_speed(write_speed(tmp_path / "a", "nobody", 2.0, 0.5))
    with pytest.raises(InputError, match="no results are of nobody"):
        with_speed(board, [timed])
    good = load_speed(write_speed(tmp_path / "b", "good", 2.0, 0.0, spread=0.3))
    (group,) = with_speed(board, [timed, good]).sheets[0].bench
    assert group.left_out == [
        "nobody: its quality was not measured",
        "good: longer videos are not shown to take longer",
    ]
    with pytest.raises(InputError, match="too"):
        with_speed(board, [good, load_speed(write_speed(tmp_path / "c", "good", 2.0, 0.5))])


def test_a_staircase_bounds_what_is_beaten() -> None:
    def point(*, on: bool) -> Point:
        return Point(
            place=0, system="a", work=1, work_low=1, work_high=1, value=0, low=None, high=None,
            on_front=on,
        )  # fmt: skip

    plot = Plot(metric="psnr", points=[point(on=True), point(on=False), point(on=True)], real=None)
    assert staircase(plot, [80, 50, 20], [30, 10, 90]) == "M0 10.00H20.00V70.00H80.00V100.00"


def test_page_and_exports(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    speed = [
        write_speed(tmp_path / "s1", "good", 2.0, 0.5, price_per_hour=3.6),
        write_speed(tmp_path / "s2", HOSTILE, 1.0, 0.1, device="NVIDIA <T4>"),
        write_speed(tmp_path / "s3", "equal", 1.0, 0.3),
    ]
    words = [*map(str, folders), "--out", str(tmp_path / "page"), "--gallery", "0"]
    for one in speed:
        words += ["--speed", one]
    monkeypatch.setattr(sys, "argv", ["dawn", "leaderboard", *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert "speed on NVIDIA H100: 2 systems" in capsys.readouterr().out
    page = (tmp_path / "page/index.html").read_text()
    assert "nothing compares across them" in page
    assert "On NVIDIA &lt;T4&gt;" in page
    assert "/home/me" not in page
    assert "<code>python run.py" in page
    told = json.loads((tmp_path / "page/leaderboard.json").read_text())["sheets"][0]["bench"]
    assert [group["device"] for group in told] == ["NVIDIA H100", "NVIDIA <T4>"]
    assert [row["system"] for row in told[0]["rows"]] == ["equal", "good"]
    row = told[0]["rows"][1]
    assert row["cost_per_minute"] == pytest.approx((2.0 + 60 * 0.5) / 1000, rel=0.05)
    with (tmp_path / "page/speed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["device"], r["group"], r["system"], r["voice_s"]) for r in rows[2:5]] == [
        ("NVIDIA H100", "1", "good", "2.0"), ("NVIDIA H100", "1", "good", "8.0"),
        ("NVIDIA <T4>", "2", HOSTILE, "2.0"),
    ]  # fmt: skip
    assert "Speed on NVIDIA H100" in (tmp_path / "page/leaderboard.md").read_text()
    assert (tmp_path / "page/speed.svg").read_text().count("NVIDIA H100") >= 2
    assert re.search(r"<path class=\"front\" d=\"M0 ", page)
    check_out(tmp_path / "page")  # it overwrites what is its own


def test_queries_give_the_page_s_numbers(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = load_speed(write_speed(tmp_path / "s1", "good", 2.0, 0.5))
    sheet = with_speed(board, [timed]).sheets[0]
    monkeypatch.chdir(tmp_path)
    rows = duckdb.sql(query(sheet)).df()
    assert rows["median_s"].tolist() == pytest.approx([one.median_s for one in timed.lengths])
    (fit,) = duckdb.sql(query_fit(sheet)).fetchall()
    assert timed.fit is not None
    assert fit[2:] == pytest.approx((timed.fit.fixed_s, timed.fit.per_second))
