"""results.json says when an evaluation was begun, and nothing else depends on it."""

import datetime
import json
from pathlib import Path

from eval.results.stored import INFO
from manifests.runs import RunFolder
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.command import run_evaluate
from tests.evaluations import content, options


def test_a_folder_keeps_the_time_at_which_it_was_begun(
    real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, system="s", metrics="psnr")
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    run_evaluate(given, InProcess())
    folder = RunFolder(given.out, INFO)
    begun, whole = folder.info()["created_at"], content(folder)
    time = datetime.datetime.fromisoformat(begun)
    assert time.utcoffset() == datetime.timedelta(0)
    assert before <= time <= datetime.datetime.now(datetime.UTC)
    run_evaluate(given, InProcess())
    assert folder.info()["created_at"] == begun
    assert content(folder) == whole


def test_a_folder_of_before_times_were_recorded_gets_none(
    real: Path, fake: Path, card: str, tmp_path: Path
) -> None:
    given = options(tmp_path / "out", card, real, videos=fake, system="s", metrics="psnr")
    run_evaluate(given, InProcess())
    file = tmp_path / "out" / INFO
    old = json.loads(file.read_text())
    del old["created_at"]
    file.write_text(json.dumps(old))
    run_evaluate(given, InProcess())
    assert RunFolder(given.out, INFO).info()["created_at"] is None
