"""`dawn eval-checkpoint`: one command that generates, evaluates and judges, and goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawn.sampling.settings import GenerateConfig
from eval.results.stored import INFO
from manifests.errors import InputError
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.actors import OneHere
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.checkpoint import CheckpointOptions, run_eval_checkpoint
from pipeline.evaluate.command import EvaluateOptions, run_evaluate
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.items import clip_items
from pipeline.generate.worker import Maker
from tests.models import write_model
from tests.results_folders import CONDITIONS, write_results

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
    assert f"not comparable: {other}: dataset dddd" in capsys.readouterr().err
    with pytest.raises(InputError, match="pdf"):
        run_eval_checkpoint(
            CheckpointOptions(
                checkpoint=tmp_path, dataset=dataset.uri, baseline=other, out=str(made),
                reports=("pdf",),
            )
        )  # fmt: skip
    assert not made.exists()


def refused(
    dataset: Dataset, baseline: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    gate: str = GATE, **more: Any,
) -> str:  # fmt: skip
    """What is said before anything is made."""
    (tmp_path / "gate.yaml").write_text(gate)
    given = CheckpointOptions(
        checkpoint=tmp_path / "model", dataset=dataset.uri, baseline=baseline, split="train",
        out=str(tmp_path / "ci"), gate=tmp_path / "gate.yaml", **more,
    )  # fmt: skip
    assert run_eval_checkpoint(given) == 3
    assert not (tmp_path / "ci").exists()
    told = capsys.readouterr().err
    assert all(baseline in line for line in told.splitlines() if line.startswith("not comparable"))
    return " ".join(told.split())


def of_clips(dataset: Dataset, path: Path, count: int | None = None, **more: Any) -> str:
    """Made-up results of the first clips of the train split."""
    clips = [{"clip_id": item.name} for item in clip_items(dataset, "train")[:count]]
    numbers = {"ssim": [0.9] * len(clips), "psnr": [30.0] * len(clips)}
    data = str(dataset.info()["recipe_hash"])
    return write_results(path, numbers, clips=clips, **({"dataset_hash": data} | more)).uri


def test_other_clips_are_refused_before_anything_is_made(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three = of_clips(dataset, tmp_path / "three", 3)
    told = refused(dataset, three, tmp_path, capsys, limit=2)
    assert "clip list: the second lacks 1" in told
    assert "clip list: the second adds 1" in refused(dataset, three, tmp_path, capsys, limit=4)
    halves = of_clips(dataset, tmp_path / "halves", 3, same_take=False)
    assert "any real clip" in refused(dataset, halves, tmp_path, capsys, limit=3)


def test_other_conditions_are_refused_before_anything_is_made(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = replace(CONDITIONS, libraries={**CONDITIONS.libraries, "opencv": "4.0.0"})
    baseline = of_clips(dataset, tmp_path / "older", conditions=older)
    told = refused(dataset, baseline, tmp_path, capsys)
    assert "psnr, ssim: made under other conditions (libraries.opencv: 4.0.0 -> " in told
    assert "evaluate the baseline's videos again" in told
    assert "ssim: is not among --metrics" in refused(
        dataset, of_clips(dataset, tmp_path / "same"), tmp_path, capsys, metrics="psnr"
    )
    with pytest.raises(InputError, match="no metric is named 'fidd'"):
        refused(dataset, baseline, tmp_path, capsys, metrics="fidd")


def test_a_gate_whose_weights_are_not_here_is_refused_before_anything_is_made(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [{"clip_id": item.name} for item in clip_items(dataset, "train")]
    baseline = write_results(
        tmp_path / "b", {"lpips_alex": [0.1] * len(clips), "psnr": [30.0] * len(clips)},
        clips=clips, dataset_hash=str(dataset.info()["recipe_hash"]),
    ).uri  # fmt: skip
    told = refused(dataset, baseline, tmp_path, capsys, gate=GATE.replace("ssim", "lpips_alex"))
    assert "lpips_alex: weights alexnet: " in told


def test_the_same_checkpoint_passes_another_one_does_not_and_nothing_is_made_twice(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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

    # A metric beyond the gate that the baseline has under other conditions is named, no more.
    kept = RunFolder(baseline, INFO)
    told = kept.info()
    told["protocol"]["metrics"]["flicker"]["libraries"]["opencv"] = "4.0.0"
    kept.write_info(told)
    assert judged(model, "same") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "will not be compared: flicker: made under other conditions (libraries.opencv" in printed
    assert "not compared: flicker: made under other conditions (libraries.opencv" in printed
    made = RunFolder(str(tmp_path / "same/run"), "run.json")
    times = {part: Path(part).stat().st_mtime_ns for part in made.parts("generations")}
    assert len(times) == 3
    assert judged(model, "same") == 0
    assert {part: Path(part).stat().st_mtime_ns for part in made.parts("generations")} == times
    assert (tmp_path / "same/regression/regression.html").exists()
    info = RunFolder(str(tmp_path / "same/results"), INFO).info()
    assert info["protocol_hash"] == RunFolder(baseline, INFO).info()["protocol_hash"]
    assert judged(write_model(tmp_path / "other", seed=5), "other") == 1
