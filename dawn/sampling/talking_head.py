"""A loaded model that makes a portrait speak: what `dawn.load` gives, and `dawn generate` uses."""

import base64
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dawn.checkpoints import at_hand
from dawn.device import pick_device
from dawn.features.faces.picture import read_picture
from dawn.features.rates import FPS
from dawn.pretrained import sampler_of
from dawn.sampling.drive import Changes, changes_from, measure_clip, still
from dawn.sampling.generate import (
    Made,
    OnPicture,
    OnWork,
    Timer,
    generate,
    ignore,
    render_clip,
    work,
)
from dawn.sampling.model import Model, find_model, load_model
from dawn.sampling.portrait import Portrait, find_portrait
from dawn.sampling.provenance import settings_of
from dawn.sampling.render import Batch
from dawn.sampling.settings import GenerateConfig, config_of, precision_on, stream_config
from dawn.sampling.stream import Frame, frames_of
from dawn.sampling.turns import Turns
from dawn.sampling.voice import Voice, read_voice
from dawn.sampling.writer import Sink
from manifests.errors import InputError
from manifests.location import local_path, location


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """One video's inputs, read and checked."""

    where: str
    portrait: Portrait
    voice: Voice
    changes: Changes

    def work(self, config: GenerateConfig) -> int:
        """How much there is to do, in the units that `on_work` hears."""
        return work(self.voice.frames, config)


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video that was made."""

    frames: NDArray[np.uint8]
    """Pictures (T, S, S, 3) RGB as they were rendered, 25 a second."""
    path: Path
    """The MP4, with sound. Without an `out` it lives as long as this object."""
    made: Made
    """What it took."""
    cautions: tuple[str, ...] = ()
    """What of the portrait may have made it poor: covered eyes, a profile."""
    _folder: object = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.frames) / FPS

    def _repr_html_(self) -> str:
        """A player, for notebooks."""
        content = base64.b64encode(self.path.read_bytes()).decode("ascii")
        return f'<video controls width="256" src="data:video/mp4;base64,{content}"></video>'


class TalkingHead:
    """The three networks of a model folder; they are loaded when the first video is made."""

    def __init__(self, model: str | Path, device: str = "auto", dtype: str = "auto") -> None:
        """Raises InputError when the folder does not hold networks that fit together."""
        self.folder = find_model(at_hand(location(model)))
        self.device = pick_device(device)
        self._sampler = sampler_of(self.folder.path)
        self._config = config_of(dtype=precision_on(self.device, dtype))
        self._model: Model | None = None
        self._loading, self._turns = threading.Lock(), Turns()

    def load(self) -> Model:
        """Load the networks now, rather than with the first video."""
        with self._loading:
            if self._model is None:
                self._model = load_model(self.folder, self.device, self._config.dtype)
            return self._model

    def generate(
        self,
        image: str | Path,
        audio: str | Path,
        out: str | Path | None = None,
        *,
        face: int | None = None,
        seed: int = 0,
        max_seconds: float | None = None,
        pose_from: str | Path | None = None,
        blink_from: str | Path | None = None,
        **settings: Any,  # noqa: ANN401 - checked by GenerateConfig
    ) -> Video:
        """Make `image` speak `audio`, and write the video to `out` where one is given.

        Of several faces `face` chooses one by its size, 1 being the largest and the default.
        `pose_from` and `blink_from` take head motion and blinks from a video; `settings` are
        those of `dawn.sampling.settings.GenerateConfig`, such as `steps=20`. Raises InputError.
        """
        config = config_of(dtype=self._config.dtype, **(self._sampler | settings))
        folder = tempfile.TemporaryDirectory(prefix="dawn-") if out is None else None
        path = Path(folder.name) / "video.mp4" if folder else local_path(str(out))
        check_out(path)
        inputs = self.read(
            local_path(image), local_path(audio), config, face=face, max_seconds=max_seconds,
            pose_from=local_path(pose_from) if pose_from else None,
            blink_from=local_path(blink_from) if blink_from else None,
        )  # fmt: skip
        frames: list[NDArray[np.uint8]] = []
        made = self.write(
            inputs, path, config, seed=seed, max_seconds=max_seconds,
            on_picture=lambda picture: frames.append(picture.copy()),
        )  # fmt: skip
        return Video(
            frames=np.stack(frames), path=path, made=made, cautions=inputs.portrait.cautions,
            _folder=folder,
        )  # fmt: skip

    def stream(
        self,
        image: str | Path,
        audio: str | Path,
        *,
        face: int | None = None,
        seed: int = 0,
        max_seconds: float | None = None,
        pose_from: str | Path | None = None,
        blink_from: str | Path | None = None,
        **settings: Any,  # noqa: ANN401 - checked by GenerateConfig
    ) -> Iterator[Frame]:
        """The frames of `image` speaking `audio`, each as soon as it is rendered.

        Arguments are those of `generate`. The first stretch is short (`first_stretch`, 60 frames);
        `generate` with the same `first_stretch` makes the same frames. Close the iterator to stop
        before the end. Raises InputError at once where inputs cannot be used.
        """
        config = stream_config(dtype=self._config.dtype, **(self._sampler | settings))
        inputs = self.read(
            local_path(image), local_path(audio), config, face=face, max_seconds=max_seconds,
            pose_from=local_path(pose_from) if pose_from else None,
            blink_from=local_path(blink_from) if blink_from else None,
        )  # fmt: skip
        model = self.load()

        def make(on_work: OnWork) -> Iterator[Batch]:
            batches = render_clip(
                model, inputs.portrait, inputs.voice, config, seed, Timer(model.device),
                changes=inputs.changes, on_work=on_work,
            )  # fmt: skip
            return self._turns.each(batches)

        return frames_of(make, inputs.voice)

    def read(
        self,
        image: Path,
        audio: Path,
        config: GenerateConfig,
        *,
        face: int | None = None,
        max_seconds: float | None = None,
        pose_from: Path | None = None,
        blink_from: Path | None = None,
    ) -> Inputs:
        """Read and check everything that a video is made from. Raises InputError."""
        voice = read_voice(audio, max_seconds)
        portrait = find_portrait(read_picture(image), self.folder.size, str(image), face)
        changes = _changes(config, voice.frames, pose_from, blink_from)
        return Inputs(where=str(image), portrait=portrait, voice=voice, changes=changes)

    def write(
        self,
        inputs: Inputs,
        out: Path,
        config: GenerateConfig,
        *,
        seed: int = 0,
        max_seconds: float | None = None,
        on_work: OnWork = ignore,
        on_picture: OnPicture = ignore,
        finish: Callable[[Path], None] = ignore,
    ) -> Made:
        """Make the video; `out` appears whole, or not at all. `finish` is given the whole file
        before that, and may replace it. Raises InputError.
        """
        with _temporary(out) as temporary:
            try:
                made = self._generate(
                    inputs, temporary, config, seed, max_seconds, on_work, on_picture
                )
                finish(temporary)
            except (OSError, av.error.FFmpegError) as error:
                raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error
            temporary.replace(out)
        return made

    def write_stream(
        self,
        inputs: Inputs,
        out: Sink,
        config: GenerateConfig,
        *,
        seed: int = 0,
        max_seconds: float | None = None,
        on_work: OnWork = ignore,
    ) -> Made:
        """Make the video as fragmented MP4, which plays while it is written and wherever it ends.

        Raises InputError, and what `out` raises.
        """
        return self._generate(inputs, out, config, seed, max_seconds, on_work, ignore)

    def _generate(
        self,
        inputs: Inputs,
        out: Path | Sink,
        config: GenerateConfig,
        seed: int,
        max_seconds: float | None,
        on_work: OnWork,
        on_picture: OnPicture,
    ) -> Made:
        notes = {
            "checkpoint": self.folder.digest,
            "seed": seed,
            "face": inputs.portrait.face,
            "settings": settings_of(config, self.folder, max_seconds),
        }
        return generate(
            self.load(), inputs.portrait, inputs.voice, config, seed, out, changes=inputs.changes,
            notes=notes, on_work=on_work, on_picture=on_picture, turns=self._turns,
        )  # fmt: skip


def check_out(out: Path) -> None:
    """Raise InputError where a video cannot be written, before anything is made."""
    if out.suffix.lower() != ".mp4":
        raise InputError(f"{out}: videos are written as MP4; give a name that ends in .mp4")
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the name of a file")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: its folder cannot be created: {error.strerror}") from error


def _changes(
    config: GenerateConfig, frames: int, pose_from: Path | None, blink_from: Path | None
) -> Changes:
    """Pose and eyes that do not come from PBNet."""
    if "real" in (config.pose, config.blink):
        raise InputError("--pose real: a portrait has no real motion; use --pose-from CLIP")
    pose = still(frames, 6) if config.pose == "still" else None
    eyes = still(frames, 2) if config.blink == "still" else None
    measured = {path: measure_clip(path) for path in {pose_from, blink_from} if path}
    if pose_from is not None:
        pose = changes_from(measured[pose_from][0], frames)
    if blink_from is not None:
        eyes = changes_from(measured[blink_from][1], frames)
    return Changes(pose=pose, eyes=eyes)


@contextlib.contextmanager
def _temporary(out: Path) -> Iterator[Path]:
    """A name beside `out`, on the same disk; whatever is left there in the end is removed."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".dawn-", dir=out.parent)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error
    with folder as name:
        yield Path(name) / "video.mp4"
