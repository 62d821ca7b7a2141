"""How fast a stage trains on a device: its own samples, loader and steps, on clips that are made.

`measure_stage` needs PyTorch, NumPy, PyAV, OpenCV, SciPy, PyArrow and fsspec: neither Ray nor a
dataset that was ingested. Clips are encoded as ingest encodes them, so that a sample costs what
decoding costs; what they show is waves, and their features are noise.
"""

import functools
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.fresh import peak_mib
from dawn.features.rates import FPS, SAMPLES_PER_FRAME
from dawn.features.sound.mel import ROW
from dawn.features.video.encode import ClipWriter
from dawn.lfg.model import LFG
from dawn.training.batches import Batches
from dawn.training.clips import POSE, ClipFeatures, ClipReader, ClipRow
from dawn.training.config import Training
from dawn.training.order import MicroBatches, Samples
from dawn.training.stage import Statistics
from dawn.training.stages import stage_named
from dawn.training.states import RELEASE_RANGE
from dawn.training.step import Place, Stepper, Unread
from manifests.config import merged

WARM = 3
"""Steps that are not timed: the loader's processes start, kernels are chosen."""
_ENDLESS = 10**6
_LONGEST_CLIP = 10 * FPS


def measure_stage(
    stage: str,
    preset: str = "128",
    batch: int | None = None,
    precision: str = "float32",
    device: str = "cpu",
    seconds: float = 20.0,
    *,
    workers: int = 0,
    clips: int = 13,
    frames: int = _LONGEST_CLIP,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train for so many seconds, after a few steps that are not timed.

    `batch` is the preset's where it is not given; `changes` are of the preset's other settings,
    nested as in its file. Returns `samples_per_s`, `steps_per_s`, `wait_share` (of the time, in
    which the host waited for data), `peak_mib` (of the device; on a CPU of the process), how many
    `steps` were timed, their last `loss`, and the settings that were measured.
    """
    config = config_of(stage, preset, batch, precision, changes or {})
    place = Place(device=device)
    torch.manual_seed(0)
    lfg = LFG(stage_named("lfg").preset(preset).network) if stage == "a2v" else None
    stepper = Stepper(stage_named(stage).objective(config, lfg), config.run, place)
    size = stage_named(stage).picture_size(config)
    folder, rows = made_clips(clips, size, frames)
    reader = MadeClips(folder.name, size, config.run.cache_mb * 2**20)
    statistics = Statistics(0.0, 1.0, RELEASE_RANGE)
    samples = Samples(
        rows, stage_named(stage).samples(config, statistics), 0, config.run.batch, reader
    )
    order = MicroBatches(0, _ENDLESS, config.run.batch, config.run.accumulate, 0, 1)
    with Batches(samples, order, workers, device, stepper.objective.prepared) as batches:
        timed = run(stepper, batches, seconds)
    return {
        "stage": stage, "preset": preset, "batch": config.run.batch, "precision": precision,
        "tf32": config.run.tf32, "device": device, "workers": workers,
        "samples_per_s": timed["steps_per_s"] * config.run.batch, **timed,
    }  # fmt: skip


def config_of(
    stage: str, preset: str, batch: int | None, precision: str, changes: Mapping[str, Any]
) -> Training:
    """A preset's settings, fitted to log-mel features and to its own flow generator."""
    how, flow = stage_named(stage), stage_named("lfg").preset(preset).network
    config: Training = merged(how.preset(preset), changes, "changes")
    run = replace(config.run, precision=precision, steps=_ENDLESS)  # type: ignore[arg-type]
    run = replace(run, batch=batch or run.batch)
    fitted: Training = how.fit(replace(config, run=run), ROW, flow)  # type: ignore[type-var]
    return fitted


def run(stepper: Stepper, batches: Batches, seconds: float) -> dict[str, Any]:
    """Step until the time is over; what was measured of the steps after the first few."""
    cuda, unread = stepper.place.cuda, Unread()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    began, done = time.monotonic(), 0
    begin, waited, first = began, 0.0, 0
    while True:
        numbers, _ = stepper.step(done, batches)
        done += 1
        if done <= WARM and (done == WARM or time.monotonic() - began > seconds / 2):
            _finish(cuda)
            begin, waited, first = time.monotonic(), batches.waited, done
        elif first and time.monotonic() - begin >= seconds:
            break
    _finish(cuda)
    wall = time.monotonic() - begin
    unread.add(done, numbers)
    ((_, last),) = unread.read()
    return {
        "steps_per_s": (done - first) / wall,
        "wait_share": (batches.waited - waited) / wall,
        "peak_mib": torch.cuda.max_memory_allocated() / 2**20 if cuda else peak_mib(),
        "steps": done - first,
        "loss": last["loss"],
    }


def _finish(cuda: bool) -> None:
    if cuda:
        torch.cuda.synchronize()


class MadeClips(ClipReader):
    """Clips of a folder that `make_clip` filled, with features that are noise."""

    def features(self, clip: ClipRow) -> ClipFeatures:
        """See ClipReader."""
        if clip.clip_id not in self._features:
            self._features[clip.clip_id] = made_features(clip)
        return self._features[clip.clip_id]


def made_features(clip: ClipRow) -> ClipFeatures:
    """Noise of the right shapes and sizes; mouth and eyes are where they are in a face."""
    draw = np.random.default_rng(crc32(clip.clip_id.encode()))

    def noise(*shape: int) -> NDArray[np.float32]:
        return draw.standard_normal((clip.frames, *shape), np.float32)

    def box(*bounds: float) -> NDArray[np.float32]:
        return np.asarray(bounds, np.float32) + 0.01 * noise(4)

    return ClipFeatures(
        pose=noise(POSE),
        eyes=0.3 + 0.02 * noise(2),
        audio=noise(ROW),
        face=box(0.2, 0.8, 0.2, 0.9),
        mouth=box(0.35, 0.65, 0.65, 0.8),
        eye_boxes=np.stack((box(0.25, 0.4, 0.38, 0.45), box(0.6, 0.75, 0.38, 0.45)), axis=1),
    )


@functools.cache
def made_clips(
    clips: int, size: int, frames: int
) -> "tuple[tempfile.TemporaryDirectory[str], list[ClipRow]]":
    """Clips for all measurements of one process, and the folder that holds them."""
    folder = tempfile.TemporaryDirectory(prefix="dawn-made-")
    return folder, [make_clip(Path(folder.name), number, size, frames) for number in range(clips)]


def make_clip(folder: Path, number: int, size: int, frames: int) -> ClipRow:
    """Write a clip of drifting waves."""
    name = f"made{number}"
    ys, xs = np.mgrid[0:size, 0:size].astype(np.float32) / size
    tones = np.arange(3, dtype=np.float32)
    with ClipWriter(folder / f"{name}.mp4", size) as writer:
        for time_ in np.arange(frames, dtype=np.float32) / FPS:
            waves = np.sin(9 * xs[..., None] + (5 + number) * ys[..., None] + 2 * time_ + tones)
            writer.add(np.round(127 + 120 * waves).astype(np.uint8))
        writer.add_sound(np.zeros(frames * SAMPLES_PER_FRAME, np.float32))
    return ClipRow(name, frames, size, f"{name}.mp4", "", "")
