"""Videos that a leaderboard needs beside a model's: what costs nothing, and the best possible.

- static: the portrait, unmoved. Perfect identity and pictures, nothing speaks.
- copy-motion: another clip's real motion on this portrait. Moves like a person, not to this voice.
- reconstruct: the clip's own real motion through LFG. The most that any motion could give.
"""

import time
from collections.abc import Iterator, Mapping
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.features.faces.crop import Square, cut_square
from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe
from dawn.lfg.model import LFG
from dawn.sampling.generate import Made, Timer, finished, write_video
from dawn.sampling.render import Batch, Renderer, as_tensor
from dawn.sampling.voice import Voice
from manifests.errors import InputError

Baseline = Literal["static", "copy-motion", "reconstruct"]
BASELINES: tuple[Baseline, ...] = ("static", "copy-motion", "reconstruct")


def make_static(
    picture: NDArray[np.uint8], voice: Voice, out: Path, notes: Mapping[str, Any]
) -> Made:
    """The picture (S, S, 3) for as long as the voice lasts."""
    begin, timer = time.perf_counter(), Timer(torch.device("cpu"))
    batch = Batch(torch.from_numpy(np.ascontiguousarray(picture))[None])
    size = picture.shape[0]
    frames = write_video(repeat(batch, voice.frames), voice, size, out, notes, timer)
    return finished(frames, size, begin, timer)


def make_with_motion(
    lfg: LFG,
    device: torch.device,
    picture: NDArray[np.uint8],
    driving: Path,
    voice: Voice,
    out: Path,
    notes: Mapping[str, Any],
    chunk: int | None = None,
) -> Made:
    """The picture (S, S, 3), moved as the real clip `driving` moves from its own first frame.

    For the picture's own clip this is LFG's reconstruction. A clip that is too short is played
    back and forth. Raises InputError when `driving` cannot be read.
    """
    begin, timer = time.perf_counter(), Timer(device)
    size = picture.shape[0]
    frames = list(driving_frames(driving, size, voice.frames))
    if not frames:
        raise InputError(f"{driving}: holds no frame; ingest it again")
    with timer.of("render"):
        renderer = Renderer(lfg, as_tensor(picture, device), chunk)
    first = as_tensor(frames[0], device)[None]
    order = back_and_forth(len(frames), voice.frames)

    def batches() -> Iterator[Batch]:
        for start in range(0, len(order), renderer.chunk):
            drivers = np.stack([frames[i] for i in order[start : start + renderer.chunk]])
            with timer.of("render"), torch.inference_mode():
                batch = as_tensor(drivers, device)
                motion = lfg.motion(first.expand(len(batch), -1, -1, -1), batch)
                rendered = renderer.rendered(motion.flow, motion.occlusion)
            yield rendered

    count = write_video(batches(), voice, size, out, notes, timer)
    return finished(count, size, begin, timer)


def driving_frames(path: Path, size: int, count: int) -> Iterator[NDArray[np.uint8]]:
    """The first frames of a square clip, at `size` pixels."""
    for _, frame in islice(read_frames(path, probe(path)), count):
        yield scaled(frame, size)


def scaled(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A square picture (S, S, 3) at another size, as training reads it."""
    if picture.shape[0] == size:
        return picture
    return cut_square(picture, Square(0, 0, picture.shape[0]), size)


def back_and_forth(count: int, length: int) -> list[int]:
    """Indices 0 … count - 1 and back again, as often as it takes."""
    period = max(1, 2 * (count - 1))
    places = (i % period for i in range(length))
    return [place if place < count else period - place for place in places]
