"""Does training work? Renders footage, trains the tiny preset, measures on people it never saw.

    python benchmarks/learn.py --out RUN          # renders, ingests, trains, measures: ~20 minutes
    python benchmarks/learn.py --out RUN --steps 0.2    # a fifth of the steps

Prints, for held-out people: LFG's PSNR against copying the source; PBNet's error against no
motion, the spread of sampled motion against the truth's, and how two seeds differ; A2V's noise
error against a zero predictor's; and how well the mouth opening of sampled video follows the
loudness of the sound that drives it, against the sound of another clip.
"""

import argparse
import csv
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
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
from dawn.features.eyes import mouth_opening
from dawn.features.landmarks import FaceMesh
from dawn.lfg.model import LFG
from dawn.recipe import IngestConfig, Recipe
from dawn.synthetic.footage import Kind, render_clip
from dawn.training.clips import ClipReader, ClipRow, clips_of
from dawn.training.config import preset
from dawn.training.loop import Trainer
from dawn.training.task import plan
from manifests.store import Dataset
from pipeline.executor import InProcess
from pipeline.ingest import adopt, ingest
from pipeline.sources import find_sources

PEOPLE = 20
VALIDATION, TEST = (6, 9), (11, 12, 14)


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


def sampled_mouth(
    reader: ClipReader, clip: ClipRow, audio: NDArray[np.float32], lfg: LFG, a2v: A2V, seed: int
) -> NDArray[np.float32]:
    """Mouth opening, frame by frame, of video sampled from a clip's first frame and some audio.

    Pose and eyes stay as they are in the first frame: what moves the mouth is the sound.
    """
    features, size = reader.features(clip), a2v.config.image_size
    source = torch.from_numpy(reader.frames(clip, [0])).permute(0, 3, 1, 2).float() / 255
    still = np.zeros((len(audio), 8), np.float32)
    cond = torch.from_numpy(np.concatenate((audio, still), axis=1))[None]
    box = torch.from_numpy(features.face[:1]) * size
    mask = face_box_mask(box, (size, size), size)
    with torch.inference_mode():
        motion = a2v.sample(
            lfg.features(source), mask, cond, SamplerConfig(), torch.Generator().manual_seed(seed)
        )
        flow, occlusion = flow_and_occlusion(motion)
        frames = lfg.render_clip(source[0], flow[0], occlusion[0])
    return opening_of(frames)


def opening_of(frames: torch.Tensor) -> NDArray[np.float32]:
    """Mouth opening by the face mesh of (T, 3, S, S); NaN where it sees no face."""
    found = np.full(len(frames), np.nan, np.float32)
    with FaceMesh() as mesh:
        for i, frame in enumerate(frames):
            image = (frame.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
            points = mesh.detect(cv2.resize(image, (384, 384), interpolation=cv2.INTER_CUBIC))
            if points is not None:
                found[i] = mouth_opening(points[None])[0]
    return found


def correlation(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Pearson's, over the frames where both are known."""
    known = np.isfinite(x) & np.isfinite(y)
    return float(np.corrcoef(x[known], y[known])[0, 1]) if known.sum() > 10 else float("nan")


def loudness(log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """A frame's amplitude, the root of its mel energy, smoothed over three frames as mouths are."""
    amplitude = np.sqrt(np.exp(log_mel).mean(axis=1))
    return np.convolve(amplitude, np.ones(3) / 3, mode="same").astype(np.float32)


def mouth_follows_sound(root: str, model: Path, frames: int = 150) -> None:
    """Print correlations on the test split, with the clip's own sound and with another's."""
    lfg = checkpoints.load_network(model / "lfg", "lfg")[0]
    a2v, card = checkpoints.load_network(model / "a2v", "a2v")
    if not (isinstance(lfg, LFG) and isinstance(a2v, A2V)):
        raise TypeError(f"{model}: holds other networks")
    reader = ClipReader(root, a2v.config.image_size)
    clips = list(clips_of(Dataset(root), "test"))
    mean, std = card.source["audio"]["mean"], card.source["audio"]["std"]
    sounds = [reader.features(clip).audio[:frames] for clip in clips]
    own, other = [], []
    for i, clip in enumerate(clips):
        mouth = sampled_mouth(reader, clip, (sounds[i] - mean) / std, lfg, a2v, seed=i)
        foreign = loudness(sounds[(i + 1) % len(clips)])
        own.append(correlation(mouth, loudness(sounds[i])))
        count = min(len(mouth), len(foreign))
        other.append(correlation(mouth[:count], foreign[:count]))
        print(f"  {clip.clip_id}: own sound {own[-1]:.2f}, another's {other[-1]:.2f}, "
              f"face found in {np.isfinite(mouth).mean():.0%}")  # fmt: skip
    print(f"mouth and loudness: {np.nanmean(own):.2f}; another clip's: {np.nanmean(other):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where to work; kept")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each video")
    parser.add_argument("--steps", type=float, default=1.0, help="share of the preset's steps")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    out = options.out or Path(tempfile.mkdtemp(prefix="dawn-learn-"))
    root = make_dataset(out, options.seconds)
    for stage in ("lfg", "pbnet", "a2v"):
        config = preset(stage, "tiny")
        steps = max(1, round(config.run.steps * options.steps))
        config = replace(config, run=replace(config.run, steps=steps))
        lfg = str(out / "model/lfg") if stage == "a2v" else None
        task = plan(stage, config, root, str(out / stage), lfg, None)
        began, last = time.monotonic(), {}
        Trainer(task, lambda news, last=last: last.update(news.get("val", {}))).run()
        measured = ", ".join(f"{name} {value:.4g}" for name, value in last.items())
        print(f"{stage}: {steps} steps in {time.monotonic() - began:.0f} s: {measured}")
        target = out / "model" / stage
        target.mkdir(parents=True, exist_ok=True)
        for part in (out / stage / "model" / stage).iterdir():
            (target / part.name).write_bytes(part.read_bytes())
    mouth_follows_sound(root, out / "model")


if __name__ == "__main__":
    main()
