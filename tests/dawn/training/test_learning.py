"""Training learns: some hundred steps beat what no network is needed for.

benchmarks/learn.py shows that lips learn to follow a voice; that takes too long for a test.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawn.training.config import LFGTraining, PBNetTraining
from dawn.training.loop import Trainer
from dawn.training.stages import stage_named
from dawn.training.task import plan
from manifests.store import Dataset

pytestmark = pytest.mark.slow


class LearnedError(Exception):
    """Ends a training that has shown what it was to show."""


def validations(stage: str, config: Any, dataset: Dataset, out: Path) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    task = plan(stage, config, dataset.path, str(out), None, None)  # type: ignore[arg-type]
    Trainer(task, lambda news: found.extend([news["val"]] if "val" in news else [])).run()
    return found


def test_reconstruction_beats_the_copied_source(dataset: Dataset, tmp_path: Path) -> None:
    config = stage_named("lfg").preset("tiny")
    assert isinstance(config, LFGTraining)
    run = replace(config.run, steps=120, batch=4, validate_every=20, loader_workers=0)
    task = plan("lfg", replace(config, run=run), dataset.path, str(tmp_path / "run"), None, None)

    def show(news: dict[str, Any]) -> None:
        if "val" in news and news["val"]["psnr"] - news["val"]["psnr_of_source"] > 0.5:
            raise LearnedError  # the best validation is handed on: what follows cannot undo it

    with pytest.raises(LearnedError):
        Trainer(task, show).run()


def test_reconstructed_motion_beats_none_and_drawn_motion_is_lively(
    dataset: Dataset, tmp_path: Path
) -> None:
    config = stage_named("pbnet").preset("tiny")
    assert isinstance(config, PBNetTraining)
    run = replace(config.run, steps=150, batch=4, validate_every=150, loader_workers=0)
    config = replace(config, run=run, frames=60)
    (measured,) = validations("pbnet", config, dataset, tmp_path / "run")
    assert measured["reconstruction"] < 0.9 * measured["no_motion"]
    assert 0.25 < measured["sampled_spread"] / measured["true_spread"] < 4
    assert measured["between_seeds"] > 0.1 * measured["sampled_spread"]
