"""Does training work? Renders footage, trains a preset, measures on people it never saw.

    python -m benchmarks.learn --out RUN          # renders, ingests, trains, measures
    python -m benchmarks.learn --out RUN          # again: goes on, or measures what is there
    python -m benchmarks.learn --out NEW --steps 0.2    # a fifth of the steps
    python -m benchmarks.learn --out NEW --preset small --device cuda    # eight minutes of an H100

Ends in a table of goals, with exit code 1 if one does not hold. Networks are chosen by the
validation split; everything in the table is of the test split: LFG's PSNR against copying the
source; PBNet's error against the best guess that does not move, the variance of sampled motion
against the truth's, and what another seed changes; A2V's noise error against a zero predictor's;
and how well the mouth of sampled video follows the loudness of the sound that drives it, and
whether it follows that of any other clip better. A network that has not learned, or that holds
still, misses every goal. With --smoke nothing is learned and no goal counts.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.inputs import make_dataset
from benchmarks.report import Report, arguments, parse
from dawn import checkpoints
from dawn.a2v.face_mask import face_box_mask
from dawn.a2v.model import A2V, flow_and_occlusion
from dawn.a2v.sampling import SamplerConfig
from dawn.features.faces.eyes import mouth_opening
from dawn.features.faces.landmarks import FaceMesh
from dawn.lfg.model import LFG
from dawn.training.batches import collate, on_device
from dawn.training.clips import ClipReader, ClipRow, clips_of
from dawn.training.loop import Trainer
from dawn.training.order import Samples
from dawn.training.stages import stage_named, stages
from dawn.training.step import Place
from dawn.training.task import TrainingTask, objective_of, plan, sample_maker
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.train.command import TrainOptions, runs_of

VALIDATION, TEST = (6, 9), (11, 12, 14)
SPLITS = {n: "val" if n in VALIDATION else "test" if n in TEST else "train" for n in range(40)}
TIMES = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 47, 65, 90, 130, 200, 300, 450, 650, 999)
"""Times of noise that A2V's error is measured at."""
VISITED = (47, 953)
"""The released sampler's twenty steps predict noise at 952 … 47."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is rendered and measured."""

    splits: dict[int, str]
    """Person -> split."""
    changes: tuple[str, ...]
    """Of the preset's settings."""
    batch: int
    batches: int
    """Samples of the test split that losses are measured on."""
    times: tuple[int, ...]
    frames: int
    """Length of the sampled videos."""
    sampler: SamplerConfig


WHOLE = Size(
    splits=SPLITS, changes=(), batch=8, batches=16, times=TIMES, frames=150, sampler=SamplerConfig()
)
SMALLEST = Size(
    splits={2: "train", 3: "train", 6: "val", 11: "test"},
    changes=("run.batch=2", "run.loader_workers=0", "run.validation_clips=1"),
    batch=2, batches=1, times=(0, 47, 999), frames=12, sampler=SamplerConfig(steps=2),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """A row of the table. `floor` is what the value is held against."""

    goal: str
    unit: str
    value: float
    floor: float
    measured: str
    holds: bool


# --- training -------------------------------------------------------------------------------------


def train_part(task: TrainingTask, device: str) -> None:
    """One run, from its last checkpoint on."""
    run = RunFolder(task.out, "config.json")
    run.ensure({"recipe": task.recipe()}, fixed=["recipe"])
    began = time.monotonic()
    last: dict[str, float] = {}
    Trainer(task, lambda news: last.update(news.get("val", {})), Place(device=device)).run()
    measured = ", ".join(f"{name} {value:.4g}" for name, value in last.items())
    print(
        f"{task.out}: {task.config.run.steps} steps, {time.monotonic() - began:.0f} s: {measured}",
        flush=True,
    )


def train(
    out: Path, root: str, share: float, size: Size, preset: str, device: str
) -> dict[str, TrainingTask]:
    """Train the three stages, or go on with them; the networks are put into out/model."""
    tasks: dict[str, TrainingTask] = {}
    lfg: str | None = None
    for stage in stages():
        steps = max(1, round(stage_named(stage).preset(preset).run.steps * share))
        changes = (f"run.steps={steps}", *size.changes)
        options = TrainOptions(
            stage=stage, dataset=root, out=str(out / stage), preset=preset, changes=changes
        )
        trained: str | None = None
        for part in runs_of(stage, options):
            tasks[stage] = plan(stage, part.config, root, part.out, lfg, trained)
            train_part(tasks[stage], device)
            trained = f"{part.out}/model/{stage}"
        target = out / "model" / stage
        target.mkdir(parents=True, exist_ok=True)
        for file in Path(str(trained)).iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        lfg = str(target) if stage == "lfg" else lfg
    return tasks


# --- losses on the test split ---------------------------------------------------------------------


def held_out(
    task: TrainingTask, model: Path, size: Size, times: Sequence[int] = ()
) -> dict[str, Floats]:
    """The stage's validation measures on batches of the test split, one value a batch.

    With `times`, every batch is noised to its own time instead of random ones.
    """
    objective = objective_of(task).eval()
    network = checkpoints.load_network(model / task.stage, task.stage)[0]
    objective.network.load_state_dict(network.state_dict())
    reader = ClipReader(task.dataset, stage_named(task.stage).picture_size(task.config))
    clips = clips_of(Dataset(task.dataset), "test")
    samples = Samples(clips, sample_maker(task), 1, size.batch, reader)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(len(times) or size.batches):
        batch = collate([samples[number * size.batch + i] for i in range(size.batch)])
        batch.pop("bad")
        if times:
            batch["time"] = torch.full_like(batch["time"], times[number])
        prepared = on_device(batch, "cpu", objective.prepared)
        for name, value in objective.validate(prepared).items():
            found[name].append(value)
    return {name: np.array(values, np.float32) for name, values in found.items()}


def measured_losses(task: TrainingTask, model: Path, size: Size) -> dict[str, float]:
    """Means over batches; of A2V over the times of noise, by quadrature.

    Nearly all of A2V's error lies at the first few of 1000 times: random ones would miss them.
    "sampled_noise" is the mean over the times from the first to the last that sampling visits.
    """
    if task.stage != "a2v":
        found = held_out(task, model, size)
        return {name: float(values.mean()) for name, values in found.items()}
    errors = held_out(task, model, size, size.times)
    print("a2v, noise error by time: " + ", ".join(
        f"{time}: {error:.3g}" for time, error in zip(size.times, errors["noise"], strict=True)
    ))  # fmt: skip
    every, visited = np.arange(1000), np.arange(*VISITED)
    result = {
        name: float(np.interp(every, size.times, values).mean()) for name, values in errors.items()
    }
    curve = np.interp(every, size.times, errors["noise"] / errors["noise_of_zero"])
    return {
        **result,
        "sampled_noise": float(np.interp(visited, size.times, errors["noise"]).mean()),
        "share_of_times_below_half": float((curve < 0.5).mean()),
    }


def loss_results(measured: dict[str, dict[str, float]]) -> list[Result]:
    """What the losses must show."""
    lfg, pbnet, a2v = (measured[stage] for stage in ("lfg", "pbnet", "a2v"))
    return [lfg_result(lfg), *pbnet_results(pbnet), *a2v_results(a2v)]


def lfg_result(lfg: dict[str, float]) -> Result:
    """Rendered frames are nearer than the source."""
    gain = lfg["psnr"] - lfg["psnr_of_source"]
    return Result(
        "LFG: PSNR at least 3 dB above the source's", "dB", lfg["psnr"], lfg["psnr_of_source"],
        f"{lfg['psnr']:.2f} dB against {lfg['psnr_of_source']:.2f} dB, +{gain:.2f} dB", gain >= 3,
    )  # fmt: skip


def pbnet_results(pbnet: dict[str, float]) -> list[Result]:
    """Motion is reconstructed, as lively as the truth, and another one with another seed.

    All are held against the truth's variance, which the best guess that does not move leaves. A
    network that has seen ten batches is already below the error of no motion, and one that has
    seen none draws two motions that differ by as much as either moves: hardly at all.
    """
    error, truth, drawn = (pbnet[k] for k in ("reconstruction", "true_spread", "sampled_spread"))
    independent = 2 * truth  # two independent draws of the truth's variance differ by this
    return [
        Result(
            "PBNet: reconstruction error below half of the truth's variance", "squared error",
            error, truth, f"{error:.3f} against {truth:.3f}", error < 0.5 * truth,
        ),
        Result(
            "PBNet: variance of sampled motion 0.5 to 2 of the truth's", "variance",
            drawn, truth, f"{drawn / truth:.2f}", 0.5 <= drawn / truth <= 2,
        ),
        Result(
            "PBNet: seeds differ by at least 0.1 of what independent true motion would",
            "squared difference", pbnet["between_seeds"], independent,
            f"{pbnet['between_seeds'] / independent:.2f}",
            pbnet["between_seeds"] >= 0.1 * independent,
        ),
    ]  # fmt: skip


def a2v_results(a2v: dict[str, float]) -> list[Result]:
    """Noise is predicted.

    Over the times that sampling visits the goal is a tenth: half of a zero predictor's follows
    nearly from the first goal. Predicting no motion is no rival: its error is many times a zero
    predictor's.
    """
    zero, every, visited = (a2v[k] for k in ("noise_of_zero", "noise", "sampled_noise"))
    return [
        Result(
            "A2V: noise error below half of a zero predictor's, mean over all times of noise",
            "squared error", every, zero,
            f"{every:.3f} against {zero:.3f} "
            f"(below half at {a2v['share_of_times_below_half']:.1%} of the times)",
            every < 0.5 * zero,
        ),
        Result(
            "A2V: below a tenth of it, mean over the times that sampling visits",
            "squared error", visited, zero,
            f"{visited:.3f} against {zero:.3f}", visited < 0.1 * zero,
        ),
    ]  # fmt: skip


# --- does the mouth follow the sound? -------------------------------------------------------------


def sampled_mouth(
    reader: ClipReader,
    clip: ClipRow,
    audio: Floats,
    lfg: LFG,
    a2v: A2V,
    seed: int,
    sampler: SamplerConfig,
    *,
    moving: bool = False,
) -> Floats:
    """Mouth opening, frame by frame, of video sampled from a clip's first frame and some audio.

    Pose and eyes stay as they are in the first frame, so that what moves the mouth is the sound;
    `moving`: they are the clip's own.
    """
    features, size = reader.features(clip), a2v.config.image_size
    source = torch.from_numpy(reader.frames(clip, [0])).permute(0, 3, 1, 2).float() / 255
    states = np.concatenate((features.pose, features.eyes), axis=1)[: len(audio)]
    changes = (states - states[:1]) * np.float32(moving)
    cond = torch.from_numpy(np.concatenate((audio, changes), axis=1))[None]
    box = torch.from_numpy(features.face[:1]) * size
    mask = face_box_mask(box, (size, size), size)
    with torch.inference_mode():
        motion = a2v.sample(
            lfg.features(source), mask, cond, sampler, torch.Generator().manual_seed(seed)
        )
        flow, occlusion = flow_and_occlusion(motion)
        frames = lfg.render_clip(source[0], flow[0], occlusion[0])
    return opening_of((frames.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).numpy())


def opening_of(frames: NDArray[np.uint8]) -> Floats:
    """Mouth opening by the face mesh of (T, S, S, 3); NaN where it sees no face."""
    found = np.full(len(frames), np.nan, np.float32)
    with FaceMesh() as mesh:
        for i, image in enumerate(frames):
            points = mesh.detect(cv2.resize(image, (384, 384), interpolation=cv2.INTER_CUBIC))
            if points is not None:
                found[i] = mouth_opening(points[None])[0]
    return found


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's, over the frames that both have and know."""
    count = min(len(x), len(y))
    x, y = x[:count], y[:count]
    known = np.isfinite(x) & np.isfinite(y)
    return float(np.corrcoef(x[known], y[known])[0, 1]) if known.sum() > 10 else float("nan")


def loudness(log_mel: Floats) -> Floats:
    """A frame's amplitude, the root of its mel energy, smoothed over three frames as mouths are."""
    amplitude = np.sqrt(np.exp(log_mel).mean(axis=1))
    return np.convolve(amplitude, np.ones(3) / 3, mode="same").astype(np.float32)


@dataclass(frozen=True, slots=True)
class Followed:
    """How the mouth of one video goes with loudness: that of its sound, and of other clips."""

    own: float
    others: Floats

    @property
    def best(self) -> bool:
        """Whether no other sound goes better with it."""
        return bool(self.own > np.nanmax(self.others))


class Mouths:
    """Videos of the test faces, driven by the test clips' sounds."""

    def __init__(self, root: str, model: Path, size: Size) -> None:
        frames, self._sampler = size.frames, size.sampler
        lfg = checkpoints.load_network(model / "lfg", "lfg")[0]
        a2v, card = checkpoints.load_network(model / "a2v", "a2v")
        if not (isinstance(lfg, LFG) and isinstance(a2v, A2V)):
            raise TypeError(f"{model}: holds other networks")
        self._lfg, self._a2v, self._frames = lfg, a2v, frames
        self._mean, self._std = card.source["audio"]["mean"], card.source["audio"]["std"]
        self._reader = ClipReader(root, a2v.config.image_size)
        splits = {s: list(clips_of(Dataset(root), s)) for s in ("test", "train", "val")}
        self.tests = splits["test"]
        clips = [clip for split in splits.values() for clip in split]
        self._sounds = [self._reader.features(clip).audio[:frames] for clip in clips]
        self._loud = [loudness(sound) for sound in self._sounds]

    def footage(self, face: int) -> float:
        """The real mouth with its loudness."""
        frames = self._reader.frames(self.tests[face], range(self._frames))
        return correlation(opening_of(frames), self._loud[face])

    def driven(self, face: int, voice: int, *, moving: bool = False) -> Followed:
        """A face with a sound; `moving`: with the clip's own pose and eyes."""
        seed = face if moving else face * len(self.tests) + voice
        audio = (self._sounds[voice] - self._mean) / self._std
        clip = self.tests[face]
        mouth = sampled_mouth(
            self._reader, clip, audio, self._lfg, self._a2v, seed, self._sampler, moving=moving
        )
        found = [correlation(mouth, loud) for loud in self._loud]
        result = Followed(found.pop(voice), np.array(found, np.float32))
        print(
            f"  face {clip.clip_id}, voice {self.tests[voice].clip_id}"
            f"{', its own pose and eyes' if moving else ''}: its loudness {result.own:.2f}, "
            f"other clips' {result.others.mean():.2f}, "
            f"face found in {np.isfinite(mouth).mean():.0%}",
            flush=True,
        )
        return result


def mouth_results(root: str, model: Path, size: Size) -> list[Result]:
    """Every test face with every test clip's sound; other sounds are those of all other clips."""
    mouths = Mouths(root, model, size)
    places = range(len(mouths.tests))
    real = float(np.mean([mouths.footage(face) for face in places]))
    for face in places:
        mouths.driven(face, face, moving=True)
    videos = [mouths.driven(face, voice) for face in places for voice in places]
    own, others = [v.own for v in videos], np.concatenate([v.others for v in videos])
    share = float(np.mean([video.best for video in videos]))
    chance = 1 / (1 + len(videos[0].others))
    return [
        Result(
            "still head: mouth and loudness correlate at 0.5 or more", "correlation",
            float(np.mean(own)), real,
            f"{np.mean(own):.2f} ({len(own)} videos, {min(own):.2f} to {max(own):.2f}; "
            f"footage {real:.2f})",
            float(np.mean(own)) >= 0.5,
        ),
        Result(
            "no other clip's sound goes better with it, in 0.9 of the videos", "share of videos",
            share, chance,
            f"{share:.2f}, by chance {chance:.2f} (others {others.mean():.2f} on average, "
            f"spread {others.std():.2f})",
            share >= 0.9,
        ),
    ]  # fmt: skip


def say(report: Report, results: list[Result]) -> None:
    """The table and the figures."""
    print("\n| goal | measured | holds |\n|---|---|---|")
    for result in results:
        print(f"| {result.goal} | {result.measured} | {'yes' if result.holds else 'NO'} |")
    for result in results:
        report.figure(
            result.goal, result.value, result.unit, floor=result.floor, holds=result.holds
        )


def learned(options: argparse.Namespace, out: Path, size: Size) -> list[Result]:
    """Render, ingest, train, measure."""
    root = make_dataset(out, size.splits, options.seconds, processes=1 if options.smoke else 2)
    tasks = train(out, root, options.steps, size, options.preset, options.device)
    measured = {stage: measured_losses(task, out / "model", size) for stage, task in tasks.items()}
    for stage, values in measured.items():
        print(f"{stage}, test: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()), flush=True)
    return [*loss_results(measured), *mouth_results(root, out / "model", size)]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--out", type=Path, help="where to work; kept. Else a temporary folder")
    parser.add_argument("--seconds", type=float, default=24.0, help="length of each video")
    parser.add_argument("--steps", type=float, default=1.0, help="share of the preset's steps")
    parser.add_argument("--preset", default="tiny", choices=["tiny", "small"])
    parser.add_argument("--device", default="cpu", help="what the networks train on")
    options = parse(parser, seconds=2.0, steps=0.0)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        size = SMALLEST if options.smoke else WHOLE
        results = learned(options, options.out or Path(scratch), size)
    say(Report("learn"), results)
    if not options.smoke and not all(result.holds for result in results):
        sys.exit("a goal does not hold")


if __name__ == "__main__":
    main()
