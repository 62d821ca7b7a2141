"""`dawn leaderboard` as a command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eval.protocol.card import ProtocolCard
from eval.results.conditions import Conditions
from eval.results.scores import Results
from pipeline.cli.app import app, main
from pipeline.evaluate.leaderboard import make_leaderboard
from tests.boards import HOSTILE, write_all
from tests.results_folders import CONDITIONS, write_results

OTHER = Conditions(ProtocolCard(name="other", size=128), CONDITIONS.weights, {})


def command(*words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["dawn", "leaderboard", *words])
    main()


def refused(
    *words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """The one line of an error with exit code 2."""
    with pytest.raises(SystemExit) as left:
        command(*words, monkeypatch=monkeypatch)
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_the_clips_are_listed_as_often_for_many_as_for_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lists all of them for each of them takes the square of their number."""
    listed: list[int] = []
    ids = Results.clip_ids.fget  # type: ignore[attr-defined]

    def counted(self: Results) -> list[str]:
        listed.append(len(self.clips))
        found: list[str] = ids(self)
        return found

    def times(clips: int) -> int:
        folders = []
        for system in "ab":
            folder = tmp_path / f"{system}{clips}"
            values = [float(20 + number % 7 + (system == "b")) for number in range(clips)]
            turns = [{"clip_id": f"c{n:03d}", "yaw_p95": float(n)} for n in range(clips)]
            write_results(folder, {"psnr": values}, system=system, clips=turns)
            folders.append(str(folder))
        listed.clear()
        make_leaderboard(folders, tmp_path / f"page{clips}")
        return len(listed)

    monkeypatch.setattr(Results, "clip_ids", property(counted))
    assert times(16) == times(48)


def test_makes_page_and_exports_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(folder) for folder in write_all(tmp_path)]
    out = tmp_path / "page"
    monkeypatch.setattr("sys.argv", ["dawn", "leaderboard", *folders, "--out", str(out)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    made = {file.name for file in out.iterdir()}
    suffixes = ("md", "csv", "tex", "json", "png", "svg")
    assert made == {"index.html", *(f"leaderboard.{s}" for s in suffixes)}
    said = capsys.readouterr().out.replace("\n", "")
    assert (out / "index.html").absolute().as_uri() in said
    assert HOSTILE in said
    assert f"dawn leaderboard {Path(folders[0]).name}" in (out / "index.html").read_text()


def test_the_same_results_give_the_same_numbers(tmp_path: Path) -> None:
    folders = [str(folder) for folder in write_all(tmp_path)]
    make_leaderboard(folders, tmp_path / "one")
    make_leaderboard(folders, tmp_path / "two")
    first, second = (
        json.loads((tmp_path / name / "leaderboard.json").read_text()) for name in ("one", "two")
    )
    assert first.pop("made_at")
    assert second.pop("made_at")
    assert first == second


def test_protocol_keeps_those_made_under_it(tmp_path: Path) -> None:
    write_results(tmp_path / "a", {"psnr": [1.0, 2.0]}, system="one")
    write_results(tmp_path / "b", {"psnr": [1.0, 2.0]}, system="two", conditions=OTHER)
    (tmp_path / "card.yaml").write_text("name: other\nsize: 128\n")
    words = [str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "page")]
    words += ["--protocol", str(tmp_path / "card.yaml")]
    result = CliRunner().invoke(app, ["leaderboard", *words])
    assert result.exit_code == 0, result.output
    (sheet,) = json.loads((tmp_path / "page/leaderboard.json").read_text())["sheets"]
    assert [row["system"] for row in sheet["rows"]] == ["two"]


def test_bad_use_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = str(write_results(tmp_path / "a", {"psnr": [1.0, 2.0]}).path)
    unfinished = str(write_results(tmp_path / "b", {"psnr": [1.0, 2.0]}, complete=False).path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    (tmp_path / "empty").mkdir()
    cases = {
        (str(tmp_path / "empty"),): "holds no results.json",
        (unfinished,): "not finished",
        (good, f"{good}/"): "given twice",
        (good, "--out", str(tmp_path / "full")): "thesis.txt",
        (good, "--out", str(tmp_path / "full" / "thesis.txt")): "is a file",
        (good, "--out", str(tmp_path / "x"), "--gallery-metric", "fid_incep2015"): "clip metric",
        (good, "--out", str(tmp_path / "x"), "--protocol", "dawn-paper"): "none of the results",
        (good, "--out", str(tmp_path / "x"), "--price-per-hour", "nan"): "positive",
    }
    for words, says in cases.items():
        line = refused(*words, monkeypatch=monkeypatch, capsys=capsys)
        assert says in line, words
    assert (tmp_path / "full" / "thesis.txt").read_text() == "precious"


def test_an_older_page_is_replaced(tmp_path: Path) -> None:
    folder = str(write_results(tmp_path / "a", {"psnr": [1.0, 2.0]}).path)
    for _ in range(2):
        page = make_leaderboard([folder], tmp_path / "page")
    assert page.exists()
    assert not [name for name in (tmp_path / "page").iterdir() if name.name.startswith(".")]


def test_names_steer_no_terminal_and_need_not_be_unicode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write_results(tmp_path / "a", {"psnr": [1.0, 2.0]}).path)
    change(tmp_path / "a", lambda info: info.update(system="red\x1b[31m \ud800"))
    make_leaderboard([folder], tmp_path / "page")
    said = capsys.readouterr().out
    assert r"red\x1b[31m \ud800" in said
    assert "\x1b[31m" not in said
    assert r"\ud800" in (tmp_path / "page/leaderboard.md").read_text()


def change(folder: Path, how: Callable[[dict], object]) -> None:
    """What `results.json` says."""
    info = json.loads((folder / "results.json").read_text())
    how(info)
    (folder / "results.json").write_text(json.dumps(info))


@pytest.mark.parametrize(
    "lost", ["baseline", "created_at", "command", "unpaired", "checkpoint", "code_version",
             "clip_list_hash", "reference"],
)  # fmt: skip
def test_results_that_say_less_are_shown(tmp_path: Path, lost: str) -> None:
    folder = write_results(tmp_path / "a", {"psnr": [1.0, 2.0]}, baseline=None, created_at=None)
    change(tmp_path / "a", lambda info: info.pop(lost))
    assert make_leaderboard([str(folder.path)], tmp_path / "page").exists()
