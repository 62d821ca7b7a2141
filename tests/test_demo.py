"""`dawn demo`, the first that a newcomer runs, in a terminal."""

import json
from pathlib import Path

import pytest

from tests.terminals import run_in_terminal
from tests.test_documents import shell


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demo_ends_well_in_a_terminal(tmp_path: Path) -> None:
    environment = shell(tmp_path / "programs")
    work = tmp_path / "work"
    work.mkdir()
    code, text = run_in_terminal("dawn demo", work, environment)
    assert code == 0, text[-3000:]
    out = work / "demo"
    page = out / "leaderboard/index.html"
    assert page.as_uri() in "".join(text.split())
    assert (out / "film.mp4").as_uri() in "".join(text.split())
    assert f"next:dawndatasetvalidate{out}/dataset" in "".join(text.split())
    assert not Path(environment["TOUCHED"]).exists(), "the demo started ffmpeg"
    (sheet,) = json.loads((out / "leaderboard/leaderboard.json").read_text())["sheets"]
    kinds = {row["kind"]: row["system"] for row in sheet["rows"]}
    assert kinds.keys() == {"system", "real", "real-split", "static", "shuffled-audio"}
    assert kinds["system"] == "small model"
    (psnr,) = [metric for metric in sheet["metrics"] if metric["metric"] == "psnr"]
    assert psnr["cells"]["small model"]["n"] == sheet["facts"]["clips"] == 8
    assert page.read_text().count("data:video/mp4;base64,") >= 4
    made = {file: file.stat().st_mtime_ns for file in (out / "videos").rglob("*.mp4")}
    assert len(made) == 8
    code, text = run_in_terminal("dawn demo", work, environment)
    assert code == 0, text[-3000:]
    assert "8 unchanged" in text
    assert {file: file.stat().st_mtime_ns for file in (out / "videos").rglob("*.mp4")} == made
