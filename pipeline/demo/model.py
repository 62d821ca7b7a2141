"""The second half of `dawn demo`: a short training, then videos of the package's own model,
measured beside real ones and beside a still picture, and a film to look at first.
"""

from pathlib import Path

from dawn.features.rates import FPS
from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe
from dawn.pretrained import SAMPLER, SMALL
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.voice import read_voice
from dawn.training.record import METRICS
from manifests.catalog import rows
from manifests.errors import InputError
from manifests.parquet import read_parquet
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.demo.film import shown, write_film
from pipeline.evaluate.command import EvaluateOptions, run_evaluate
from pipeline.evaluate.leaderboard import make_leaderboard
from pipeline.generate.command import ManyOptions, generate_many
from pipeline.info_names import GENERATIONS
from pipeline.progress import console
from pipeline.train.command import TrainOptions, train_stage
from pipeline.train.run import Resources

TRAINED_STEPS = 40
"""Of a tiny flow generator: enough to see its loss fall, not to see a face."""
SETTINGS = GenerateConfig(**SAMPLER)
SECONDS = 2.0
SYSTEM = "small model"
BASELINES = ("real", "real-split", "static", "shuffled-audio")
FILMED = "second"
"""The sample video whose person the film shows; the model never saw them."""
PROTOCOL = """\
# Quick: the first seconds of each clip, metrics that need no weights, and no Fréchet distance,
# which eight short clips cannot tell.
name: demo
size: 256
skip_first: 1
stride: 5
max_frames: 50
metrics: [lip_audio, m_lmd, psnr, ssim, flicker, pose_std, face_rate, real_time_factor]
"""


def run_model(out: Path, dataset: Dataset, workers: int | None) -> tuple[Path, Path]:
    """Train a little, generate, evaluate and compare under `out`; returns the film and the
    leaderboard's page.
    """
    console.print("\n[bold]A short training, to see that one works[/bold]")
    _train(out / "training", dataset)
    console.print("\n[bold]Every clip from its first frame and its sound[/bold]")
    console.print("by the small model that comes with the package", markup=False)
    run = out / "videos"
    generate_many(
        ManyOptions(
            config=SETTINGS, checkpoint=SMALL, out=str(run),
            dataset=dataset.uri, split="all", system=SYSTEM, workers=workers,
            max_seconds=SECONDS, device="cpu",
        )
    )  # fmt: skip
    film = _film(out, dataset)
    console.print("\n[bold]Measuring it beside what bounds it[/bold]")
    protocol = out / "protocol.yaml"
    protocol.write_text(PROTOCOL, encoding="utf-8")
    folders = [str(out / "results" / name) for name in ("small-model", *BASELINES)]
    for folder, baseline in zip(folders, (None, *BASELINES), strict=True):
        run_evaluate(
            EvaluateOptions(
                reference=f"{dataset.uri}:all", out=folder, protocol=str(protocol),
                run=None if baseline else str(run), baseline=baseline, workers=workers,
            )
        )  # fmt: skip
    return film, Path(make_leaderboard(folders, out / "leaderboard"))


def _train(out: Path, dataset: Dataset) -> None:
    """A flow generator, on Ray Train; a run that was begun is resumed."""
    train_stage(
        "lfg",
        TrainOptions(
            stage="lfg", dataset=dataset.uri, out=str(out), resume=True, curriculum="faces",
            changes=(f"run.steps={TRAINED_STEPS}", "run.validation_clips=2"),
            resources=Resources(),
        ),
    )  # fmt: skip
    with (out / METRICS).open("rb") as file:
        losses = [row for row in read_parquet(file).to_pylist() if row["name"] == "loss"]
    first, last = losses[0], losses[-1]
    console.print(
        f"loss {first['value']:.2f} at step {first['step']}, {last['value']:.2f} at step "
        f"{last['step']}; a whole training takes an hour and a half (docs/training.md)",
        markup=False,
    )


def _film(out: Path, dataset: Dataset) -> Path:
    """Portrait, generated and real video of one person beside each other."""
    kept = rows(
        dataset,
        "SELECT clip_id, video_path, sources[1] AS source FROM clips JOIN videos USING (video_id) "
        "WHERE accepted ORDER BY clip_id",
    )
    run = RunFolder(str(out / "videos"), GENERATIONS)
    items = run.read("generations", ["clip_id", "video", "status"]).to_pylist()
    made = {row["clip_id"]: row["video"] for row in items if row["status"] == "ok"}
    there = [row for row in kept if row["clip_id"] in made]
    if not there:
        raise InputError(f"{run.uri}: holds no video; remove it and run the same command again")
    filmed = next((row for row in there if Path(row["source"]).stem == FILMED), there[0])
    path, real = out / "film.mp4", Path(dataset.path) / filmed["video_path"]
    video = out / "videos" / made[filmed["clip_id"]]
    frames = round(SECONDS * FPS)
    portrait = next(picture for _, picture in read_frames(real, probe(real), 0, 1))
    voice = read_voice(real, SECONDS)
    write_film(path, portrait, shown(video, frames), shown(real, frames), voice.samples)
    console.print(f"film: {path}", markup=False)
    return path
