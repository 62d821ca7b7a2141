"""`dawn demo` from nothing to a leaderboard, with fewer steps of training than it takes."""

import json
from pathlib import Path

import pytest

from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.demo import model as demo_model
from pipeline.demo.run import run_demo

pytestmark = pytest.mark.slow


def test_footage_becomes_a_model_and_a_leaderboard_and_again_nothing_is_done(
    ray_session: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo_model, "STEPS", {"lfg": 4, "pbnet": 4, "a2v": 2})
    out = tmp_path / "demo"
    run_demo(out, workers=2)
    page = out / "leaderboard" / "index.html"
    assert page.absolute().as_uri() in capsys.readouterr().out.replace("\n", "")
    (sheet,) = json.loads((out / "leaderboard/leaderboard.json").read_text())["sheets"]
    kinds = {row["kind"]: row["system"] for row in sheet["rows"]}
    assert kinds.keys() == {"system", "real", "real-split", "static", "shuffled-audio"}
    assert kinds["system"] == "tiny model"
    (psnr,) = [metric for metric in sheet["metrics"] if metric["metric"] == "psnr"]
    assert psnr["cells"]["tiny model"]["n"] == sheet["facts"]["clips"] == 8
    assert page.read_text().count("data:video/mp4;base64,") >= 4

    before = {file: file.stat().st_mtime_ns for file in (out / "videos").rglob("*.mp4")}
    run_demo(out, workers=2)
    assert "8 unchanged" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in (out / "videos").rglob("*.mp4")} == before
    assert len(RunFolder(str(out / "videos"), "run.json").parts("generations")) == 8


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="other files"):
        run_demo(tmp_path, workers=1)
