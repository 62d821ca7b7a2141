"""`dawn query` as users type it: what it asks, how it says no, what its help tells."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from manifests.macros import MACROS
from manifests.run_catalog import names_in
from manifests.run_macros import RUN_MACROS
from manifests.run_search import find_runs
from manifests.runs import RunFolder
from pipeline.cli import app as cli
from pipeline.generate.run import run_info
from pipeline.info_names import GENERATIONS as RUN_INFO
from pipeline.query import conventions
from pipeline.train import run as train
from pipeline.train.run import _adopt
from tests.manifests.rows import add, written
from tests.results_folders import write_results
from tests.run_folders import write_generations


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with written(str(tmp_path / "data")) as session:
        add(session, "a")
    write_results(tmp_path / "results/dawn", {"psnr": [20.0]}, clips=[{"clip_id": "a-0000000-0"}])
    write_generations(tmp_path / "runs/dawn", [{}])
    (tmp_path / "empty").mkdir()
    return tmp_path


def dawn(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["dawn", "query", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_dataset_and_runs_in_one_query(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = """SELECT metrics.system, identity, run FROM metrics JOIN clips USING (clip_id)
             CROSS JOIN generations WHERE metric = 'psnr'"""
    folders = ("--runs", root / "results", "--runs", root / "runs/dawn", "--dataset", root / "data")
    assert dawn(monkeypatch, sql, *folders, "--format", "json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == [{"system": "system", "identity": "video:a", "run": "dawn"}]


def test_folders_are_known_by_what_their_commands_write(tmp_path: Path) -> None:
    whole = SimpleNamespace(
        stage="lfg", hash="h" * 16, recipe=dict, dataset="", lfg=None, init=None, run="r",
        system="s", digest=None, checkpoint=None, dataset_hash=None, baseline=None, seed=0,
        networks={}, device="cpu",
    )  # fmt: skip
    _adopt(RunFolder(str(tmp_path / "training"), train.INFO), whole, resume=False)
    RunFolder(str(tmp_path / "run"), RUN_INFO).write_info(run_info(whole, {}))
    found = {run.kind for run in find_runs([str(tmp_path)], conventions().kinds)}
    assert found == {"training", "generations"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["SELECT 1"], "give --dataset ROOT, --runs FOLDER, or both"),
        (["SELECT 1", "--dataset", "none"], "is not a dataset"),
        (["SELECT 1", "--runs", "none"], "none: there is no such folder"),
        (["SELECT 1", "--runs", "results", "--runs", "empty"], "empty: no run is in it"),
        (["SELECT 1", "--runs", "data"], "data: no run is in it"),
        (["SELECT x FROM metrics", "--runs", "results"], "SQL: Binder Error"),
        (["SELEC", "--runs", "results"], "SQL: Parser Error"),
        (["SELECT 1; SELECT 2", "--runs", "results"], "one statement, not 2"),
        (["COPY metrics TO 'x.csv'", "--runs", "results"], "only SELECT"),
        (["FROM read_text('/etc/passwd')", "--runs", "results"], "SQL: Permission Error"),
        (["FROM leaderboard('x')", "--dataset", "data"], "which of --runs"),
        (["FROM clips", "--runs", "results"], "views are of --dataset"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_user_error_is_one_line_and_exit_2(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(root)
    before = sorted(root.rglob("*"))
    assert dawn(monkeypatch, *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert words in said
    assert sorted(root.rglob("*")) == before


def test_the_help_has_every_view_and_macro_and_an_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dawn(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    macros = {signature.split("(")[0] for signature in (*MACROS, *RUN_MACROS)}
    views = {name for name in names_in("") if not name.startswith("_")}
    for name in macros | views:
        assert name in text, name
    assert "Example: dawn query" in text
