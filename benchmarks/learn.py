"""Does training work? Renders footage, trains the tiny preset, measures on people it never saw.

    python benchmarks/learn.py --out RUN          # renders, ingests, trains, measures
    python benchmarks/learn.py --out RUN          # again: goes on, or measures what is there
    python benchmarks/learn.py --out NEW --steps 0.2    # a fifth of the steps

Ends in a table of goals. Networks are chosen by the validation split; everything in the table is of
the test split: LFG's PSNR against copying the source; PBNet's error against no motion, the variance
of sampled motion against the truth's, and what another seed changes; A2V's noise error against a
zero predictor's; and how well the mouth of sampled video follows the loudness of the sound that
drives it, and of the sounds of other clips, which do not.
"""

import argparse
import csv
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dawn import checkpoints
from dawn.a2v.face_mask import face_box_mask
from dawn.a2v.model import A2V, flow_and_occlusion
from dawn.a2v.sampling import SamplerConfig
from dawn.features.faces.eyes import mouth_opening
from dawn.features.faces.landmarks import FaceMesh
from dawn.lfg.model import LFG
from dawn.recipe import IngestConfig, Recipe
from dawn.synthetic.footage import Kind, render_clip
from dawn.training.clips import ClipReader, ClipRow, clips_of
from dawn.training.config import STAGES, preset
from dawn.training.loop import Trainer, collate
from dawn.training.order import Samples
from dawn.training.task import TrainingTask, objective_of, picture_size, plan, sample_maker
from manifests.runs import RunFolder
from manifests.store import Dataset
from pipeline.cluster.tasks import InProcess
from pipeline.ingest.run import adopt, ingest
from pipeline.ingest.sources import find_sources
from pipeline.train.command import TrainOptions, runs_of

PEOPLE = 40
VALIDATION, TEST = (6, 9), (11, 12, 14)
BATCH, BATCHES = 8, 16
"""Samples of the test split that losses are measured on."""
TIMES = [0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 47, 65, 90, 130, 200, 300, 450, 650, 999]
"""Times of noise that A2V's error is measured at."""
VISITED = (47, 953)
"""The released sampler's twenty steps predict noise at 952 … 47."""
FRAMES = 150
"""Length of the sampled videos."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Result:
    """A row of the table."""

    goal: str
    measured: str
    holds: bool


# --- footage --------------------------------------------------------------------------------------


def render_person(folder: Path, number: int, seconds: float) -> None:
    kind = Kind(f"person{number:02d}", "a talking head", people=(number,))
    render_clip(folder / f"{kind.name}.mp4", kind, seconds=seconds)


def make_dataset(out: Path, seconds: float) -> str:
    """Render people, ingest them; returns the dataset's root."""
    folder, root = out / "footage", out / "dataset"
    if (root / "dataset.json").exists():
        return str(root)
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(render_person, [folder] * PEOPLE, range(PEOPLE), [seconds] * PEOPLE))
    listing = out / "footage.csv"
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "speaker", "split"])
        for n in range(PEOPLE):
            split = "val" if n in VALIDATION else "test" if n in TEST else "train"
            writer.writerow([folder / f"person{n:02d}.mp4", f"p{n}", split])
    dataset, recipe = Dataset(str(root)), Recipe.resolve(IngestConfig(use_weights=False))
    adopt(dataset, recipe, update=False)
    ingest(find_sources([str(listing)]), dataset, recipe, InProcess())
    return str(root)


# --- training -------------------------------------------------------------------------------------


def train_part(task: TrainingTask) -> None:
    """One run, from its last checkpoint on."""
    run = RunFolder(task.out, "config.json")
    run.ensure({"recipe": task.recipe()}, fixed=["recipe"])
    began = time.monotonic()
    last: dict[str, float] = {}
    Trainer(task, lambda news: last.update(news.get("val", {}))).run()
    measured = ", ".join(f"{name} {value:.4g}" for name, value in last.items())
    print(
        f"{task.out}: {task.config.run.steps} steps, {time.monotonic() - began:.0f} s: {measured}",
        flush=True,
    )


def train(out: Path, root: str, share: float) -> dict[str, TrainingTask]:
    """Train the three stages, or go on with them; the networks are put into out/model."""
    tasks: dict[str, TrainingTask] = {}
    lfg: str | None = None
    for stage in STAGES:
        steps = max(1, round(preset(stage, "tiny").run.steps * share))
        options = TrainOptions(
            stage=stage, dataset=root, out=str(out / stage), changes=(f"run.steps={steps}",)
        )
        trained: str | None = None
        for part in runs_of(stage, options):
            tasks[stage] = plan(stage, part.config, root, part.out, lfg, trained)
            train_part(tasks[stage])
            trained = f"{part.out}/model/{stage}"
        target = out / "model" / stage
        target.mkdir(parents=True, exist_ok=True)
        for file in Path(str(trained)).iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        lfg = str(target) if stage == "lfg" else lfg
    return tasks


# --- losses on the test split ---------------------------------------------------------------------


def held_out(
    task: TrainingTask, model: Path, times: Sequence[int] | None = None
) -> dict[str, Floats]:
    """The stage's validation measures on batches of the test split, one value a batch.

    With `times`, every batch is noised to its own time instead of random ones.
    """
    objective = objective_of(task).eval()
    network = checkpoints.load_network(model / task.stage, task.stage)[0]
    objective.network.load_state_dict(network.state_dict())
    reader = ClipReader(task.dataset, picture_size(task.config))
    clips = clips_of(Dataset(task.dataset), "test")
    samples = Samples(clips, sample_maker(task), 1, BATCH, reader)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(len(times) if times else BATCHES):
        batch = collate([samples[number * BATCH + i] for i in range(BATCH)])
        batch.pop("bad")
        if times:
            batch["time"] = torch.full_like(batch["time"], times[number])
        for name, value in objective.validate(batch).items():
            found[name].append(value)
    return {name: np.array(values, np.float32) for name, values in found.items()}


def measured_losses(task: TrainingTask, model: Path) -> dict[str, float]:
    """Means over batches; of A2V over the times of noise, by quadrature.

    Nearly all of A2V's error lies at the first few of 1000 times: random ones would miss them.
    "sampled_noise" is the mean over the times from the first to the last that sampling visits.
    """
    if task.stage != "a2v":
        return {name: float(values.mean()) for name, values in held_out(task, model).items()}
    errors = held_out(task, model, TIMES)
    print("a2v, noise error by time: " + ", ".join(
        f"{time}: {error:.3g}" for time, error in zip(TIMES, errors["noise"], strict=True)
    ))  # fmt: skip
    every, visited = np.arange(1000), np.arange(*VISITED)
    result = {
        name: float(np.interp(every, TIMES, values).mean()) for name, values in errors.items()
    }
    curve = np.interp(every, TIMES, errors["noise"] / errors["noise_of_zero"])
    return {
        **result,
        "sampled_noise": float(np.interp(visited, TIMES, errors["noise"]).mean()),
        "share_of_times_below_half": float((curve < 0.5).mean()),
    }


def loss_results(measured: dict[str, dict[str, float]]) -> list[Result]:
    """What the losses must show."""
    lfg, pbnet, a2v = (measured[stage] for stage in STAGES)
    gain = lfg["psnr"] - lfg["psnr_of_source"]
    spread = pbnet["sampled_spread"] / pbnet["true_spread"]
    # Two independent draws around one mean differ by twice its variance.
    chance = pbnet["between_seeds"] / (2 * pbnet["sampled_spread"])
    noise = a2v["noise"] / a2v["noise_of_zero"]
    return [
        Result(
            "LFG: PSNR at least 3 dB above the source's",
            f"{lfg['psnr']:.2f} dB against {lfg['psnr_of_source']:.2f} dB, +{gain:.2f} dB",
            gain >= 3,
        ),
        Result(
            "PBNet: reconstruction error below no motion's",
            f"{pbnet['reconstruction']:.3f} against {pbnet['no_motion']:.3f}",
            pbnet["reconstruction"] < pbnet["no_motion"],
        ),
        Result(
            "PBNet: variance of sampled motion 0.5 to 2 of the truth's",
            f"{spread:.2f}",
            0.5 <= spread <= 2,
        ),
        Result(
            "PBNet: seeds differ by at least 0.1 of what independent motion would",
            f"{chance:.2f}",
            chance >= 0.1,
        ),
        Result(
            "A2V: noise error below half of a zero predictor's, mean over all times of noise",
            f"{a2v['noise']:.3f} against {a2v['noise_of_zero']:.3f} "
            f"(below half at {a2v['share_of_times_below_half']:.1%} of the times)",
            noise < 0.5,
        ),
        Result(
            "A2V: the same over the times that sampling visits",
            f"{a2v['sampled_noise']:.3f} against {a2v['noise_of_zero']:.3f}",
            a2v["sampled_noise"] < 0.5 * a2v["noise_of_zero"],
        ),
        Result(
            "A2V: noise error below that of predicting no motion",
            f"{a2v['noise']:.3f} against {a2v['noise_of_still']:.3f}",
            a2v["noise"] < a2v["noise_of_still"],
        ),
    ]


# --- does the mouth follow the sound? -------------------------------------------------------------


def sampled_mouth(
    reader: ClipReader,
    clip: ClipRow,
    audio: Floats,
    lfg: LFG,
    a2v: A2V,
    seed: int,
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
            lfg.features(source), mask, cond, SamplerConfig(), torch.Generator().manual_seed(seed)
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


def mouth_result(root: str, model: Path) -> Result:
    """Every test face with every test clip's sound; other sounds are those of all other clips."""
    lfg = checkpoints.load_network(model / "lfg", "lfg")[0]
    a2v, card = checkpoints.load_network(model / "a2v", "a2v")
    if not (isinstance(lfg, LFG) and isinstance(a2v, A2V)):
        raise TypeError(f"{model}: holds other networks")
    reader = ClipReader(root, a2v.config.image_size)
    splits = {name: list(clips_of(Dataset(root), name)) for name in ("test", "train", "val")}
    clips = [clip for split in splits.values() for clip in split]
    tests, count = splits["test"], len(splits["test"])
    mean, std = card.source["audio"]["mean"], card.source["audio"]["std"]
    sounds = [reader.features(clip).audio[:FRAMES] for clip in clips]
    loud = [loudness(sound) for sound in sounds]
    own, other, real, moving = [], [], [], []
    for face, clip in enumerate(tests):
        real.append(correlation(opening_of(reader.frames(clip, range(FRAMES))), loud[face]))
        audio = (sounds[face] - mean) / std
        mouth = sampled_mouth(reader, clip, audio, lfg, a2v, seed=face, moving=True)
        moving.append(correlation(mouth, loud[face]))
        for voice in range(count):
            audio = (sounds[voice] - mean) / std
            mouth = sampled_mouth(reader, clip, audio, lfg, a2v, seed=face * count + voice)
            own.append(correlation(mouth, loud[voice]))
            foreign = [correlation(mouth, loud[k]) for k in range(len(clips)) if k != voice]
            other += foreign
            print(
                f"  face {clip.clip_id}, voice {tests[voice].clip_id}: its loudness {own[-1]:.2f}, "
                f"other clips' {np.nanmean(foreign):.2f}, "
                f"face found in {np.isfinite(mouth).mean():.0%}, "
                f"opening {np.nanmean(mouth):.3f} ± {np.nanstd(mouth):.3f}",
                flush=True,
            )
    print(f"  with the clip's own pose and eyes: {', '.join(f'{value:.2f}' for value in moving)}")
    driving, shuffled = float(np.mean(own)), float(np.mean(other))
    return Result(
        "still head: mouth and loudness correlate at 0.5 or more; other clips' within 0.15",
        f"{driving:.2f} (videos {min(own):.2f} to {max(own):.2f}; footage {np.mean(real):.2f}); "
        f"other clips' {shuffled:.2f} ({len(other)} pairs, spread {np.std(other):.2f})",
        driving >= 0.5 and abs(shuffled) <= 0.15,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where to work; kept")
    parser.add_argument("--seconds", type=float, default=24.0, help="length of each video")
    parser.add_argument("--steps", type=float, default=1.0, help="share of the preset's steps")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    out = options.out or Path(tempfile.mkdtemp(prefix="dawn-learn-"))
    root = make_dataset(out, options.seconds)
    tasks = train(out, root, options.steps)
    measured = {stage: measured_losses(task, out / "model") for stage, task in tasks.items()}
    for stage, values in measured.items():
        print(f"{stage}, test: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()), flush=True)
    results = [*loss_results(measured), mouth_result(root, out / "model")]
    print("\n| goal | measured | holds |\n|---|---|---|")
    for result in results:
        print(f"| {result.goal} | {result.measured} | {'yes' if result.holds else 'NO'} |")


if __name__ == "__main__":
    main()
