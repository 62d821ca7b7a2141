"""`dawn eval-checkpoint`: one command that generates, evaluates and judges, and goes on."""

from pathlib import Path

import pytest

from dawn.sampling.settings import GenerateConfig
from eval.results import INFO
from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.actors import OneHere
from pipeline.eval_checkpoint import CheckpointOptions, run_eval_checkpoint
from pipeline.evaluate_command import EvaluateOptions, run_evaluate
from pipeline.executor import InProcess
from pipeline.generate_runs import ManyOptions, generate_many, plan_run
from pipeline.generate_worker import Maker
from tests.models import write_model
from tests.results_folders import write_results

CARD = "name: small\nsize: 128\nstride: 3\nmetrics: [ssim, psnr, flicker]\n"
GATE = "name: small\nmin_clips: 2\ngates: [{metric: ssim, margin: 0.0005}]\nspeed: {slowdown: 9}\n"


def here(options: ManyOptions) -> OneHere:
    return OneHere(Maker, plan_run(options).task)


def test_what_would_be_refused_is_refused_before_anything_is_made(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "ci"
    given = CheckpointOptions(
        checkpoint=tmp_path / "model", dataset=dataset.uri, baseline=str(tmp_path / "none.json"),
        out=str(made),
    )  # fmt: skip
    assert run_eval_checkpoint(given) == 3
    assert "no baseline yet" in capsys.readouterr().err
    other = write_results(tmp_path / "other", {"psnr": [30.0] * 3}).uri
    given = CheckpointOptions(
        checkpoint=tmp_path / "model", dataset=dataset.uri, baseline=other, out=str(made)
    )
    assert run_eval_checkpoint(given) == 3
    assert "not comparable: dataset dddd" in capsys.readouterr().err
    with pytest.raises(InputError, match="pdf"):
        run_eval_checkpoint(
            CheckpointOptions(
                checkpoint=tmp_path, dataset=dataset.uri, baseline=other, out=str(made),
                reports=("pdf",),
            )
        )  # fmt: skip
    assert not made.exists()


def test_the_same_checkpoint_passes_another_one_does_not_and_nothing_is_made_twice(
    dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "card.yaml").write_text(CARD)
    (tmp_path / "gate.yaml").write_text(GATE)
    model = write_model(tmp_path / "model")
    run, baseline = str(tmp_path / "run"), str(tmp_path / "baseline")
    first = ManyOptions(
        config=GenerateConfig(steps=1), checkpoint=model, out=run, dataset=dataset.uri,
        split="train", limit=3, max_seconds=0.8,
    )  # fmt: skip
    generate_many(first, here(first))
    run_evaluate(
        EvaluateOptions(
            reference=f"{dataset.uri}:train", out=baseline, run=run,
            protocol=str(tmp_path / "card.yaml"),
        ),
        InProcess(),
    )  # fmt: skip

    def judged(checkpoint: Path, out: str) -> int:
        return run_eval_checkpoint(
            CheckpointOptions(
                checkpoint=checkpoint, dataset=dataset.uri, baseline=baseline, split="train",
                out=str(tmp_path / out), limit=3, steps=1, max_seconds=0.8, reports=("html",),
                gate=tmp_path / "gate.yaml",
            ),
            here, InProcess(),
        )  # fmt: skip

    assert judged(model, "same") == 0
    made = RunFolder(str(tmp_path / "same/run"), "run.json")
    times = {part: Path(part).stat().st_mtime_ns for part in made.parts("generations")}
    assert len(times) == 3
    assert judged(model, "same") == 0
    assert {part: Path(part).stat().st_mtime_ns for part in made.parts("generations")} == times
    assert (tmp_path / "same/regression/regression.html").exists()
    info = RunFolder(str(tmp_path / "same/results"), INFO).info()
    assert info["protocol_hash"] == RunFolder(baseline, INFO).info()["protocol_hash"]
    assert judged(write_model(tmp_path / "other", seed=5), "other") == 1
