"""The second half of `dawn demo`: a tiny model is trained, makes videos, and is measured."""

from pathlib import Path

from dawn.sampling.settings import GenerateConfig
from manifests.store import Dataset
from pipeline.evaluate.command import EvaluateOptions, run_evaluate
from pipeline.generate.command import ManyOptions, generate_many
from pipeline.evaluate.leaderboard import make_leaderboard
from pipeline.progress import console
from pipeline.train.run import Resources
from pipeline.train.command import TrainOptions, train_all

STEPS = {"lfg": 150, "pbnet": 60, "a2v": 60}
"""A thirtieth of what the tiny preset takes: enough to see the path, not to see lips."""
SECONDS = 2.0
BASELINES = ("real", "real-split", "static", "shuffled-audio")
PROTOCOL = """\
# Quick: the first two seconds of each clip, metrics that need no weights.
name: demo
size: 256
skip_first: 1
stride: 5
max_frames: 50
metrics: [fd_pose, lip_audio, m_lmd, psnr, ssim, flicker, pose_std, face_rate, real_time_factor]
"""


def run_model(out: Path, dataset: Dataset, workers: int | None) -> Path:
    """Train, generate, evaluate and compare under `out`; returns the leaderboard's page."""
    console.print("\n[bold]Training a tiny model for a minute or two[/bold]")
    model = _train(out / "training", dataset)
    console.print("\n[bold]Every clip from its first frame and its sound[/bold]")
    run = out / "videos"
    generate_many(
        ManyOptions(
            config=GenerateConfig(method="ddim", steps=10), checkpoint=Path(model), out=str(run),
            dataset=dataset.uri, split="all", system="tiny model", workers=workers,
            max_seconds=SECONDS, device="cpu",
        )
    )  # fmt: skip
    console.print("\n[bold]Measuring it beside what bounds it[/bold]")
    protocol = out / "protocol.yaml"
    protocol.write_text(PROTOCOL, encoding="utf-8")
    folders = [str(out / "results" / name) for name in ("tiny-model", *BASELINES)]
    for folder, baseline in zip(folders, (None, *BASELINES), strict=True):
        run_evaluate(
            EvaluateOptions(
                reference=f"{dataset.uri}:all", out=folder, protocol=str(protocol),
                run=None if baseline else str(run), baseline=baseline, workers=workers,
            )
        )  # fmt: skip
    return Path(make_leaderboard(folders, out / "leaderboard"))


def _train(out: Path, dataset: Dataset) -> str:
    """In this process; a run that was begun is resumed."""
    changes = [f"{stage}.run.steps={steps}" for stage, steps in STEPS.items()]
    return train_all(
        TrainOptions(
            stage="all", dataset=dataset.uri, out=str(out), resume=True, curriculum="faces",
            changes=(*changes, "run.validation_clips=2"), resources=Resources(),
        )
    )  # fmt: skip
