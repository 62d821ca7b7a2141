"""Every benchmark runs and prints figures that a program can read. How fast is not asked here."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as runner
from benchmarks import names
from benchmarks.report import SKIPPED, Report
from tests.benchmarks.forked import ROOT, run

KEYS = {
    *("benchmark", "case", "value", "unit", "floor", "ratio", "smoke", "machine", "python"),
    *("torch", "versions", "commit"),
}


def figures(text: str) -> list[dict[str, Any]]:
    """The figures' lines, each held to have what all have."""
    found = [json.loads(line) for line in text.splitlines() if line.startswith('{"benchmark"')]
    for row in found:
        assert row.keys() >= KEYS, row
        assert row["machine"].keys() >= {"cpu", "cores"}
        for name in ("value", "floor", "ratio"):
            assert row[name] is None or isinstance(row[name], float), row
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_each_runs_at_its_smallest(
    name: str, tmp_path: Path, in_ray_session: dict[str, str]
) -> None:
    answer = run(name, "--smoke", folder=tmp_path, ray=in_ray_session["RAY_ADDRESS"])
    assert answer.code == 0, answer.stderr[-3000:]
    found = figures(answer.stdout)
    assert found or any(line.startswith(SKIPPED) for line in answer.stdout.splitlines())
    assert {row["benchmark"] for row in found} <= {name}
    assert all(row["smoke"] for row in found)
    cases = [row["case"] for row in found]
    assert len(cases) == len(set(cases)), "two figures of one name"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blinks", "likeness"])
def test_what_needs_a_trained_model_says_so_and_ends_well(name: str, tmp_path: Path) -> None:
    answer = run(name, folder=tmp_path)
    assert answer.code == 0, answer.stderr[-3000:]
    assert answer.stdout.count("\n") == 1
    assert answer.stdout.startswith(SKIPPED)


@pytest.mark.slow
def test_one_command_trains_a_model_like_the_shipped_one(tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    options = ["--smoke", "--train", str(tmp_path / "run"), "--pack", str(packed)]
    answer = run("shipped", *options, folder=tmp_path)
    assert answer.code == 0, answer.stderr[-3000:]
    assert (packed / "a2v/a2v.safetensors").is_file()
    assert "lip_audio_corr" in json.loads(packed.with_suffix(".json").read_text())["model"]


@pytest.mark.slow
def test_the_documented_command_runs_those_that_are_named() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks", "a2v_attention", "--smoke"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert figures(answer.stdout)
    assert "== a2v_attention: ok, " in answer.stdout


def test_the_others_run_after_one_has_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def fake(name: str, arguments: list[str]) -> str:
        ran.append((name, *arguments))
        return "failed" if name in ("gate", "lse") else "ok"

    monkeypatch.setattr(runner, "run", fake)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--smoke"])
    with pytest.raises(SystemExit, match=r"^failed: gate, lse$"):
        runner.main()
    assert ran == [(name, "--smoke") for name in names()]
    assert "== train: ok" in capsys.readouterr().out


def test_a_name_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "report"])
    with pytest.raises(SystemExit, match=r"^2$"):
        runner.main()


def test_figures_hold_ratios_and_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("made")
    report.figure("twice", 3.0, "s", floor=1.5)
    report.figure("median of rounds", 3.0, "s", floor=1.5, ratio=1.9)
    report.figure("no face", float("nan"), "correlation", floor=0.9)
    report.figure("alone", 3, "blinks", rounds=2)
    rows = figures(capsys.readouterr().out)
    assert [row["ratio"] for row in rows] == [2.0, 1.9, None, None]
    assert [row["value"] for row in rows] == [3.0, 3.0, None, 3.0]
    assert rows[3]["rounds"] == 2


def test_the_floor_of_ingest_owes_nothing_to_the_project() -> None:
    tree = ast.parse((ROOT / "benchmarks/plain_loop.py").read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert {"av", "mediapipe", "cv2"} <= imported
    assert not imported & {"manifests", "dawn", "eval", "pipeline", "benchmarks", "tests"}


def test_documents_run_benchmarks_as_modules_that_are_there() -> None:
    texts = [path.read_text() for path in (ROOT / "benchmarks").glob("*.py")]
    text = "\n".join([*texts, (ROOT / "docs/performance.md").read_text()])
    assert not re.findall(r"benchmarks/\w+\.py", text)
    named = set(re.findall(r"python -m benchmarks\.(\w+)", text)) - {"NAME"}
    assert named == set(names())
