"""One portrait, one voice, one video: the whole path on one clip, in a plain process.

The network and rendering work in the caller's thread, pictures are fetched and encoded in another.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.a2v.face_mask import face_box_mask
from dawn.features.rates import FPS
from dawn.sampling import flow
from dawn.sampling.beside import Beside
from dawn.sampling.drive import Changes, complete
from dawn.sampling.model import Model
from dawn.sampling.portrait import Portrait
from dawn.sampling.render import Batch, Renderer, ToHost, as_tensor
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.turns import Turns
from dawn.sampling.voice import Voice, voice_features
from dawn.sampling.writer import Sink, VideoWriter, video_size

OnWork = Callable[[int], None]
"""Hears how much more of the work is done, in the caller's thread; see `work`."""


OnPicture = Callable[[NDArray[np.uint8]], None]
"""Sees each picture (S, S, 3) before it is encoded, in the encoder's thread. Copy what is kept."""

AHEAD = 8
"""Batches that may wait for the encoder: on a GPU two stretches, so that the next one need not."""


def ignore(_: object) -> None:
    """Nobody wants to know."""


def work(frames: int, config: GenerateConfig) -> int:
    """How much there is to do for so many frames: each denoised once a step, then rendered."""
    return flow.work(frames, config) + frames


@dataclass(slots=True)
class Timer:
    """Seconds of one thread by what they were spent on: network, render, wait; or encode."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Count the time of this block; waits for the GPU, which works on after a call."""
        begin = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - begin

    def each(self, what: str, items: Iterable[Any]) -> Iterator[Any]:
        """The items; making each counts as `what`."""
        iterator = iter(items)
        while True:
            with self.of(what):
                item = next(iterator, None)
            if item is None:
                return
            yield item


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came out. Times in seconds; `wall_s` holds everything but loading the model."""

    frames: int
    size: int
    duration_s: float
    wall_s: float
    network_s: float
    render_s: float
    encode_s: float
    """Of the encoder's thread, beside the others: it costs time only where these wait."""
    wait_s: float
    """What network and rendering waited for the encoder."""


def generate(
    model: Model,
    portrait: Portrait,
    voice: Voice,
    config: GenerateConfig,
    seed: int,
    out: Path | Sink,
    *,
    changes: Changes | None = None,
    audio: NDArray[np.float32] | None = None,
    notes: Mapping[str, Any] | None = None,
    on_work: OnWork = ignore,
    on_picture: OnPicture = ignore,
    turns: Turns | None = None,
) -> Made:
    """Write the video of `portrait` speaking `voice` to `out`, an MP4; it lasts as the voice does.

    `changes` replaces PBNet's pose or eyes; `audio` (T, A) are the voice's features where they
    are known already; `turns` are taken with other videos of the same networks. A path is written
    as frames come: give a temporary name and rename; a sink gets what plays while it is written.
    Memory is bounded by `config.stretch`; of the whole length only sound, features (1 to 4 kB a
    frame) and PBNet's states are held. Raises InputError; OSError where `out` cannot be written.
    """
    timer = Timer(model.device)
    begin = time.perf_counter()
    batches = render_clip(
        model, portrait, voice, config, seed, timer, changes=changes, audio=audio, on_work=on_work
    )
    if turns is not None:
        batches = turns.each(batches)
    size = portrait.picture.shape[0]
    frames = write_video(
        batches, voice, size, out, notes or {}, timer, on_work=on_work, on_picture=on_picture
    )
    return finished(frames, size, begin, timer)


def render_clip(
    model: Model,
    portrait: Portrait,
    voice: Voice,
    config: GenerateConfig,
    seed: int,
    timer: Timer,
    *,
    changes: Changes | None = None,
    audio: NDArray[np.float32] | None = None,
    on_work: OnWork = ignore,
) -> Iterator[Batch]:
    """The pictures as `generate` writes them, batch after batch, each as soon as it is rendered."""
    source = as_tensor(portrait.picture, model.device)
    with timer.of("render"):
        renderer = Renderer(model.lfg, source, config.render_frames)
    with timer.of("network"):
        if audio is None:
            audio = voice_features(voice.samples, model.conventions.audio)
        pose, eyes = complete(changes or Changes(), model, portrait, audio, seed, config.noise)
        cond = conditions(model, audio, pose, eyes)
        still = still_condition(model, portrait, renderer.features)
    window = config.window or model.folder.window
    motion = flow.sample_motion(
        model.a2v.diffusion, still, cond, config, window=window, seed=seed, on_step=on_work
    )
    for stretch in timer.each("network", motion):
        yield from timer.each("render", renderer.batches(stretch))


def conditions(
    model: Model,
    audio: NDArray[np.float32],
    pose: NDArray[np.float32],
    eyes: NDArray[np.float32],
) -> Tensor:
    """One row a frame, (T, cond_dim): audio features, pose change, eye change."""
    heard = model.conventions.normalised_audio(audio)
    return torch.from_numpy(np.concatenate((heard, pose, eyes), axis=1).astype(np.float32))


@torch.inference_mode()
def still_condition(model: Model, portrait: Portrait, features: Tensor) -> Tensor:
    """The source feature and the encoded face box, (1, C, h, w)."""
    size = portrait.picture.shape[0]
    box = torch.from_numpy(portrait.box)[None] * size
    mask = face_box_mask(box, (size, size), size).to(model.device)
    return model.a2v.features(features, mask)


def write_video(
    batches: Iterable[Batch],
    voice: Voice,
    size: int,
    out: Path | Sink,
    notes: Mapping[str, Any],
    timer: Timer,
    *,
    on_work: OnWork = ignore,
    on_picture: OnPicture = ignore,
) -> int:
    """Encode the pictures with the voice's own sound, beside whatever makes them; returns how many
    there were. Raises what encoding raises.
    """
    own = Timer(torch.device("cpu"))
    to_host = ToHost()

    def encode(batch: Batch) -> None:
        with own.of("encode"):
            for picture in to_host(batch):
                on_picture(picture)
                writer.add(picture)

    def sound() -> bool:
        with own.of("encode"):
            return writer.prepare()

    with own.of("encode"):
        writer = VideoWriter(out, size, voice.path, voice.seconds, notes)
    with writer, Beside(encode, ahead=AHEAD, idle=sound) as encoder:
        for batch in batches:
            with timer.of("wait"):
                encoder.put(batch)
            on_work(len(batch.pictures))
        with timer.of("wait"):
            encoder.finish()
            with own.of("encode"):
                writer.finish()
    timer.seconds |= own.seconds
    return writer.frames


def finished(frames: int, size: int, begin: float, timer: Timer) -> Made:
    """What was made, `begin` being when it began."""
    return Made(
        frames=frames,
        size=video_size(size),
        duration_s=frames / FPS,
        wall_s=time.perf_counter() - begin,
        network_s=timer.seconds.get("network", 0.0),
        render_s=timer.seconds.get("render", 0.0),
        encode_s=timer.seconds.get("encode", 0.0),
        wait_s=timer.seconds.get("wait", 0.0),
    )
