from pathlib import Path

import numpy as np
import pytest

from eval.leaderboard.board import Board, Column
from eval.leaderboard.cells import Cell, compare
from eval.leaderboard.groups import Entry
from tests.boards import CLIPS, HOSTILE, board_of, write_all
from tests.results_folders import write_results


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return board_of(write_all(tmp_path_factory.mktemp("results")), gallery=0)


def column(board: Board, name: str) -> Column:
    return next(c for c in board.sheets[0].columns if c.definition.name == name)


@pytest.mark.parametrize("name", ["psnr", "blink_rate", "m_lmd_iod", "fid_incep2015"])
def test_best_tied_and_worse(board: Board, name: str) -> None:
    good, equal, bad, real, static = column(board, name).cells
    assert good
    assert equal
    assert bad
    assert real
    assert static
    leader = good if good.best else equal
    assert leader.best
    assert leader.rank == 1
    assert not bad.best
    assert not bad.tied
    assert bad.rank == 3
    assert (real.rank, real.best, static.rank) == (None, False, None)  # better, yet never ranked


def test_equal_systems_tie(board: Board) -> None:
    cells = column(board, "psnr").cells
    pair = [cell for cell in cells[:2] if cell]
    assert sorted((cell.best, cell.tied) for cell in pair) == [(False, True), (True, False)]
    assert {cell.rank for cell in pair} == {1}


def test_differences_favour_the_best(board: Board) -> None:
    found = {d.system: d for d in column(board, "psnr").differences}
    assert found[HOSTILE].gain == pytest.approx(2.0, abs=0.15)
    assert found[HOSTILE].low > 1.5
    assert found[HOSTILE].wins == found[HOSTILE].n == CLIPS - 1
    assert found[HOSTILE].p < 0.01
    assert found[HOSTILE].test == "sign flip"


def test_p_values_are_corrected_for_the_number_of_systems(tmp_path: Path) -> None:
    random, base = np.random.default_rng(14), np.random.default_rng(4).normal(25, 2, 40)
    folders = [tmp_path / name for name in "abcd"]
    for folder, behind in zip(folders, (0.0, 0.08, 0.09, 0.1), strict=True):
        values = base - behind + random.normal(0, 0.2, 40)
        write_results(folder, {"psnr": values}, system=folder.name)
    board = board_of(folders, gallery=0)
    differences = column(board, "psnr").differences
    entries = {entry.name: entry for entry in board.sheets[0].entries}
    found = [compare("psnr", entries[d.system], entries[d.best]) for d in differences]
    raw = np.array([c.p for c in found if c is not None])
    order = np.argsort(raw)
    step_down = np.maximum.accumulate(raw[order] * (3, 2, 1)).clip(max=1)
    assert [d.p for d in differences] == pytest.approx(step_down[np.argsort(order)].tolist())
    tied = {entry.name: cell.tied for entry, cell in rows(board, "psnr")}
    assert all(tied[d.system] == (d.p >= 0.05) for d in differences)
    assert any(p < 0.05 <= d.p for p, d in zip(raw, differences, strict=True))


def test_interval_holds_the_number_and_counts_are_of_valid_clips(board: Board) -> None:
    for name in ("psnr", "fid_incep2015", "csim_src_mbf128"):
        for cell in column(board, name).cells:
            assert cell
            assert cell.low is not None
            assert cell.value is not None
            assert cell.low < cell.value < cell.high
    cell = column(board, "psnr").cells[0]
    assert cell
    assert (cell.n, cell.n_total) == (CLIPS - 1, CLIPS)


def test_unmeasured_set_metric_has_a_reason_and_no_number(board: Board) -> None:
    fvd = column(board, "fvd16_i3d400")
    assert not fvd.shown
    assert all(cell and cell.value is None and cell.reason for cell in fvd.cells)
    assert fvd.differences == []


def test_interval_widens_when_a_speaker_s_clips_are_alike(tmp_path: Path) -> None:
    level = np.repeat(np.random.default_rng(0).normal(0, 1, 10), 10)
    for name, speakers in (("alone", None), ("speakers", [f"s{i // 10}" for i in range(100)])):
        write_results(tmp_path / name, {"psnr": level + 25}, system=name, speakers=speakers)
    alone, speakers = column(board_of([tmp_path / "alone", tmp_path / "speakers"]), "psnr").cells
    assert alone
    assert speakers
    assert speakers.high - speakers.low > 2 * (alone.high - alone.low)


def test_one_system_is_not_ranked(tmp_path: Path) -> None:
    write_results(tmp_path / "a", {"psnr": [20.0, 21.0]})
    (cell,) = column(board_of([tmp_path / "a"]), "psnr").cells
    assert cell
    assert not cell.best
    assert cell.rank is None


def test_one_clip_has_no_interval(tmp_path: Path) -> None:
    for name in "ab":
        write_results(tmp_path / name, {"psnr": [20.0]}, system=name)
    cells = column(board_of([tmp_path / "a", tmp_path / "b"]), "psnr").cells
    assert [(c.low, c.n) for c in cells if c] == [(None, 1)] * 2


def test_equal_numbers_are_all_best(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder, last in zip(folders, (1.0, 1.0, 0.9), strict=True):
        write_results(folder, {"face_rate": [1.0, 1.0, last]}, system=folder.name)
    for order in (folders, folders[::-1]):
        cells = {c.name: cell for c, cell in rows(board_of(order), "face_rate")}
        assert [(cells[n].best, cells[n].tied, cells[n].rank) for n in "abc"] == [
            (True, False, 1), (True, False, 1), (False, True, 1),
        ]  # fmt: skip


def rows(board: Board, name: str) -> list[tuple[Entry, Cell]]:
    """Each row with its cell."""
    pairs = zip(board.sheets[0].entries, column(board, name).cells, strict=True)
    return [(entry, cell) for entry, cell in pairs if cell is not None]


def test_what_wins_on_the_common_clips_is_not_worse_than_the_best(tmp_path: Path) -> None:
    easy, hard = np.linspace(29, 31, 12), np.linspace(19, 21, 12)
    write_results(tmp_path / "a", {"psnr": [*easy, *[None] * 12]}, system="only the easy")
    write_results(tmp_path / "b", {"psnr": [*(easy + 1), *hard]}, system="all")
    found = column(board_of([tmp_path / "a", tmp_path / "b"]), "psnr")
    picky, whole = found.cells
    assert picky
    assert whole
    assert picky.best
    assert whole.tied
    assert whole.rank == 1
    (difference,) = found.differences
    assert difference.gain == pytest.approx(-1)
    assert difference.p < 0.05


def test_floor_is_there_where_the_first_row_lacks_the_metric(tmp_path: Path) -> None:
    names = [f"clip{i:04d}" for i in range(40)]
    write_results(tmp_path / "first", {"psnr": [20.0] * 40}, clips=[{"clip_id": n} for n in names])
    sides = np.random.default_rng(0).normal(0, 1, (2, 40, 4, 6))
    write_results(
        tmp_path / "second", {"psnr": [21.0] * 40}, system="second",
        features={"inception_pool3": (sides[0], sides[1])}, set_metrics=["fid_incep2015"],
    )  # fmt: skip
    floor = column(board_of([tmp_path / "first", tmp_path / "second"]), "fid_incep2015").floor
    assert floor
    assert floor.n == 20
    assert floor.values[0] is None
    assert floor.values[1]


def test_floor_is_of_the_same_number_of_clips(board: Board) -> None:
    floor = column(board, "fid_incep2015").floor
    assert floor
    assert floor.n == CLIPS // 2
    good, _, bad, *_ = floor.values
    assert 0 < floor.real < good < bad
