"""`dawn regress`: exit codes, refusals, reports and the baseline's file."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from eval.gate.baseline import read_pointer
from eval.gate.reports import WRITERS
from eval.protocol.card import ProtocolCard
from eval.results.conditions import Conditions
from manifests.errors import InputError
from pipeline.cli.app import app
from pipeline.evaluate.gate import RegressOptions, run_regress
from tests.results_folders import CONDITIONS, write_results

HOSTILE = "<script>alert('1')</script> | `x` \"quoted\" ]]> \x07 ![i](http://x)"
SPEAKERS = [f"s{i // 2}" for i in range(40)]


def numbers(seed: int, blur: float = 0.0) -> dict[str, np.ndarray]:
    clip = np.random.default_rng(0).normal(0.95, 0.02, 40)
    noise = np.random.default_rng(seed).normal(0, 0.003, 40)
    return {"ms_ssim": clip + noise - blur, "psnr": 30 + 100 * (noise - blur)}


@pytest.fixture
def old(tmp_path: Path) -> str:
    return write_results(tmp_path / "old", numbers(1), speakers=SPEAKERS, system="old").uri


def candidate(tmp_path: Path, name: str = "new", seed: int = 2, **more: Any) -> str:
    blur = more.pop("blur", 0.0)
    made = write_results(
        tmp_path / name, numbers(seed, blur), speakers=SPEAKERS, **{"system": name, **more}
    )
    return made.uri


def regress(old: str, new: str, *flags: str) -> Any:
    return CliRunner().invoke(app, ["regress", "--baseline", old, "--candidate", new, *flags])


def code(old: str, new: str, *flags: str) -> int:
    result = regress(old, new, *flags)
    if isinstance(result.exception, InputError):
        return 2
    return result.exit_code


def test_exit_codes(tmp_path: Path, old: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(old, candidate(tmp_path)) == 0
    assert code(old, candidate(tmp_path, "blurred", blur=0.05)) == 1
    few = {"ms_ssim": np.full(4, 0.9)}
    first = write_results(tmp_path / "few", few).uri
    second = write_results(tmp_path / "few2", few).uri
    assert code(first, second) == 1
    assert code(first, second, "--inconclusive", "0") == 0
    assert code(old, str(tmp_path / "nothing")) == 2
    assert code(old, old, "--report", "pdf") == 2
    assert code(old, old, "--report", "md", "--report", "json") == 2
    assert code(old, old, "--out", str(tmp_path / "x")) == 2
    gate = tmp_path / "gate.yaml"
    for text in ("gates: [{metric: ms_sim, margin: 1}]\nname: x", "name: x\ngates: []", "- 1"):
        gate.write_text(text)
        assert code(old, old, "--gate", str(gate)) == 2
    assert CliRunner().invoke(app, ["regress", "--baseline", old]).exit_code != 0


def refused(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run_regress(RegressOptions(baseline=old, candidate=new)) == 3
    return capsys.readouterr().err


def test_what_cannot_be_compared_is_refused_with_the_difference(
    tmp_path: Path, old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Conditions(ProtocolCard(name="made", size=128), {}, {})
    told = refused(old, candidate(tmp_path, "protocol", conditions=other), capsys)
    assert "card.size: 64 -> 128" in told
    told = refused(old, candidate(tmp_path, "data", dataset_hash="e" * 16), capsys)
    assert f"dataset {'d' * 16} -> {'e' * 16}" in told
    names = [{"clip_id": f"clip{i:04d}" if i else "another"} for i in range(40)]
    told = refused(old, candidate(tmp_path, "clips", clips=names), capsys)
    assert "lacks 1: clip0000" in told
    assert "adds 1: another" in told
    longer = [{"reference_frames": 50 + (i == 3)} for i in range(40)]
    told = refused(old, candidate(tmp_path, "real", clips=longer), capsys)
    assert "other real videos for 1 clip: clip0003" in told
    told = refused(old, candidate(tmp_path, "split", same_take=False), capsys)
    assert "own real clip" in told
    told = refused(str(tmp_path / "none"), old, capsys)
    assert "holds no results" in told
    told = refused(str(tmp_path / "none.json"), old, capsys)
    assert "no baseline yet" in told


def newer(library: str) -> Conditions:
    return replace(CONDITIONS, libraries={**CONDITIONS.libraries, library: "99"})


def test_what_agrees_is_compared_and_what_differs_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def results(name: str, seed: int, conditions: Conditions = CONDITIONS) -> str:
        face = {"blink_rate": np.full(40, 0.4), "face_rate": np.full(40, 0.9)}
        return write_results(
            tmp_path / name, numbers(seed) | face, speakers=SPEAKERS, system=name,
            references={"blink_rate": np.full(40, 0.3)}, conditions=conditions,
        ).uri  # fmt: skip

    old, new = results("old", 1), results("new", 2, newer("mediapipe"))
    flags = [f for name in WRITERS for f in ("--report", name)]
    gate = tmp_path / "gate.yaml"
    gate.write_text("name: x\ngates: [{metric: ms_ssim, margin: 0.01}]")
    answer = regress(old, new, *flags, "--out", str(tmp_path / "reports"), "--gate", str(gate))
    assert answer.exit_code == 0
    said = "blink_rate, face_rate: made under other conditions (libraries.mediapipe: "
    assert f"not compared: {said}" in " ".join(answer.output.split())
    content = json.loads((tmp_path / "reports/regression.json").read_text())
    assert set(content["other_conditions"]) == {"blink_rate", "face_rate"}
    assert {row["name"] for row in content["watched"]} == {"psnr"}
    assert "libraries.mediapipe" in (tmp_path / "reports/regression.html").read_text()
    assert "libraries.mediapipe" in (tmp_path / "reports/regression.md").read_text()
    # A gate that needs them decides nothing of them, and passes over nothing.
    both = "{metric: blink_rate, margin: 0.1}, {metric: ms_ssim, margin: 0.01}"
    gate.write_text(f"name: x\ngates: [{both}]")
    assert regress(old, new, "--gate", str(gate)).exit_code == 1
    answer = regress(old, new, "--gate", str(gate), "--report", "json", "--inconclusive", "0")
    found = {row["name"]: row for row in json.loads(answer.stdout)["findings"]}
    assert found["ms_ssim"]["verdict"] == "PASS"
    assert found["blink_rate"]["verdict"] == "INCONCLUSIVE"
    assert "evaluate the baseline again" in found["blink_rate"]["text"]
    assert answer.exit_code == 0
    # With nothing that it needs, it is refused.
    gate.write_text("name: x\ngates: [{metric: blink_rate, margin: 0.1}]")
    assert run_regress(RegressOptions(baseline=old, candidate=new, gate=gate)) == 3
    told = " ".join(capsys.readouterr().err.split())
    assert "not comparable: blink_rate: made under other conditions (libraries.media" in told
    assert "face_rate" not in told


def test_margins_are_of_what_agrees(tmp_path: Path) -> None:
    folders = []
    for seed in (1, 2, 3):
        conditions = newer("mediapipe") if seed == 2 else CONDITIONS
        made = numbers(seed) | {"face_rate": np.full(40, 0.9)}
        folders.append(write_results(tmp_path / str(seed), made, conditions=conditions).uri)
    answer = CliRunner().invoke(app, ["regress", "calibrate", *folders])
    rows = [line for line in answer.output.splitlines() if "│" in line]
    assert {name for name in ("psnr", "ms_ssim", "face_rate") for row in rows if name in row} == {
        "psnr", "ms_ssim"
    }  # fmt: skip
    assert "/2: face_rate: made under other conditions" in answer.output.replace("\n", "")


def test_other_numbers_of_the_real_clips_are_other_clips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flicker = {"flicker": np.full(12, 2.0)}
    found = [
        write_results(tmp_path / name, flicker, references={"flicker": real}).uri
        for name, real in (
            ("a", np.full(12, 3.0)),
            ("b", np.full(12, 3.0000001)),
            ("c", np.r_[3.5, np.full(11, 3)]),
        )
    ]
    assert run_regress(RegressOptions(baseline=found[0], candidate=found[1])) != 3
    assert "clip0000" in refused(found[0], found[2], capsys)


class Page(HTMLParser):
    """Tags, and all that is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert not any(name.startswith("on") or name == "src" for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_reports_say_the_same_and_hold_hostile_names(tmp_path: Path, old: str) -> None:
    clips = [{"clip_id": f"{HOSTILE}{i:02d}", "frames": None if i == 0 else 50} for i in range(40)]
    first = write_results(
        tmp_path / "a", numbers(1), speakers=SPEAKERS, system=HOSTILE,
        clips=[{**c, "frames": 50} for c in clips],
    )  # fmt: skip
    second = candidate(tmp_path, "b", system=HOSTILE, clips=clips)
    out = tmp_path / "reports"
    flags = [f for name in ("md", "json", "junit", "html") for f in ("--report", name)]
    assert code(first.uri, second, *flags, "--out", str(out)) == 1
    content = json.loads((out / "regression.json").read_text())
    assert content["verdict"] == "FAIL"
    assert content["candidate"]["system"] == HOSTILE
    page = Page((out / "regression.html").read_text())
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert HOSTILE in page.text
    suite = ElementTree.parse(out / "regression.xml").getroot()  # noqa: S314 - our own
    assert suite.get("failures") == "1"
    (failure,) = suite.iter("failure")
    assert "no usable video" in str(failure.get("message"))
    text = (out / "regression.md").read_text()
    assert text.startswith("## FAIL: ")
    assert "<script" not in text
    assert "![i]" not in text
    rows = [line.replace(r"\|", "") for line in text.splitlines() if line.startswith("| FAIL")]
    assert [row.count("|") for row in rows] == [4]


def test_one_report_goes_to_the_screen(tmp_path: Path, old: str) -> None:
    command = ["regress", "--baseline", old, "--candidate", candidate(tmp_path), "--report", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["verdict"] == "PASS"


def accept(file: Path, new: str, *flags: str) -> Any:
    command = ["regress", "accept", "--baseline", str(file), "--candidate", new, *flags]
    return CliRunner().invoke(app, command)


def test_the_baseline_moves_with_its_history(tmp_path: Path, old: str) -> None:
    file = tmp_path / "baseline.json"
    assert accept(file, old, "--reason", "first").exit_code == 0
    assert code(str(file), candidate(tmp_path)) == 0
    bad = candidate(tmp_path, "bad", blur=0.05)
    assert isinstance(accept(file, bad, "--reason", "oops").exception, InputError)
    assert read_pointer(file).results == "old"
    assert accept(file, bad, "--reason", "we must", "--failed").exit_code == 0
    assert accept(file, str(tmp_path / "new"), "--reason", "better").exit_code == 0
    pointer = read_pointer(file)
    assert [entry["verdict"] for entry in pointer.history] == ["FIRST", "FAIL", "PASS"]
    assert [entry["reason"] for entry in pointer.history] == ["first", "we must", "better"]
    assert [entry["results"] for entry in pointer.history] == ["old", "bad", "new"]
    changes = pointer.history[1]["changes"]["ms_ssim"]
    assert changes["gain"] == pytest.approx(-0.05, abs=0.005)
    assert isinstance(accept(tmp_path / "folder", old, "--reason", "x").exception, InputError)
    assert isinstance(accept(file, old, "--reason", " ").exception, InputError)


def test_an_accepted_folder_that_changed_is_no_baseline(
    tmp_path: Path, old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "baseline.json"
    accept(file, old, "--reason", "first")
    write_results(Path(old), numbers(3), speakers=SPEAKERS, system="old")
    assert "not what was accepted" in refused(str(file), old, capsys)
    file.write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        run_regress(RegressOptions(baseline=str(file), candidate=old))


def test_margins_from_seeds(tmp_path: Path, old: str) -> None:
    folders = [old, *(candidate(tmp_path, f"seed{s}", seed=s) for s in (2, 3))]
    result = CliRunner().invoke(app, ["regress", "calibrate", *folders])
    assert result.exit_code == 0
    values = [np.mean(numbers(s)["ms_ssim"]) for s in (1, 2, 3)]
    assert f"{2 * np.std(values, ddof=1):.2g}" in result.stdout
    two = CliRunner().invoke(app, ["regress", "calibrate", *folders[:2]])
    assert isinstance(two.exception, InputError)


def test_the_shipped_gate_explains_itself() -> None:
    from eval.gate.margins import shipped_gate

    gate = yaml.safe_load(shipped_gate())
    assert {"name", "gates", "tail", "validity", "speed"} <= gate.keys()
