"""What one worker does for a run: holds the model, makes videos, commits their rows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pyarrow as pa
import torch

from dawn import checkpoints
from dawn.checkpoints import sha256_of
from dawn.features.faces.picture import read_picture
from dawn.sampling.baselines import Baseline, make_static, make_with_motion
from dawn.sampling.drive import Changes, still
from dawn.sampling.generate import Made, generate
from dawn.sampling.memory import peak_memory
from dawn.sampling.model import find_lfg, find_model, load_lfg, load_model
from dawn.sampling.noise import item_seed
from dawn.sampling.portrait import find_portrait
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.voice import read_voice
from manifests.errors import InputError, is_full
from manifests.location import where_of
from manifests.reasons import UnreadableVideoError
from manifests.runs import RunFolder, item_name
from manifests.staging import at_hand
from manifests.store import Dataset
from pipeline.generate.clips import audio_kind, first_frame, local, read_audio, read_states
from pipeline.generate.items import ClipFiles, Item
from pipeline.info_names import GENERATIONS as RUN_INFO

STATIC_SIZE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """What is the same for every item of a run."""

    root: str
    run: str
    system: str
    config: GenerateConfig
    settings_hash: str
    seed: int
    device: str
    checkpoint: str | None = None
    """Folder of the model: a path or a URI."""
    digest: str | None = None
    dataset: str | None = None
    dataset_hash: str | None = None
    max_seconds: float | None = None
    baseline: Baseline | None = None
    networks: dict[str, str] = field(default_factory=dict)
    """Name of each network that the run uses -> SHA-256 of its weights."""


class Maker:
    """Makes the items of one run, one by one.

    One by one even on a GPU: batched kernels may add up in another order, and then a video would
    depend on what it shared a batch with. A stretch of 240 frames is a batch of 240 pictures.
    """

    def __init__(self, task: RunTask) -> None:
        self._task = task
        self._device = torch.device(task.device)
        self._folder = RunFolder(task.root, RUN_INFO)
        path = checkpoints.at_hand(task.checkpoint) if task.checkpoint else None
        self._model = self._lfg = None
        self._size = STATIC_SIZE
        if path is not None and task.baseline is None:
            self._model = load_model(find_model(path), self._device, task.config.dtype)
            self._size = self._model.folder.size
        elif path is not None:
            self._lfg = load_lfg(find_lfg(path), self._device)
            self._size = self._lfg.config.image_size

    def do(self, item: Item) -> str:
        """Make one item and commit its row; returns its status. A full disk raises OSError."""
        row = first_row(self._task, item)
        try:
            with self._folder.scratch() as scratch:
                video = scratch / "video.mp4"
                row |= self._made(item, video, scratch, row["seed"])
                name = f"videos/{item_name(item.name)}.mp4"
                self._folder.publish(video, name)
                row |= {"video": name, "status": "ok"}
        except (InputError, UnreadableVideoError) as error:
            row |= failure("bad_input", error)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            row |= failure("out_of_memory", error)
        except (OSError, av.error.FFmpegError, pa.ArrowException) as error:
            if is_full(error):
                raise
            row |= failure("bad_input", error)
        row["peak_memory_bytes"] = peak_memory(self._device)
        self._folder.write("generations", item.name, [row])
        return str(row["status"])

    def _made(self, item: Item, out: Path, scratch: Path, seed: int) -> dict[str, Any]:
        notes = {
            "checkpoint": self._task.digest,
            "system": self._task.system,
            "item": item.name,
            "seed": seed,
            "settings": self._task.settings_hash,
        }
        if item.clip is None:
            made, origin = self._from_files(item, out, notes, seed)
        elif self._task.baseline is None:
            made, origin = self._from_clip(item.clip, item, out, scratch, notes, seed)
        else:
            made, origin = self._baseline(item.clip, out, scratch, notes, self._task.baseline)
        return {
            **origin,
            "frames": made.frames,
            "size": made.size,
            "duration_s": made.duration_s,
            "wall_s": made.wall_s,
            "network_s": made.network_s,
            "render_s": made.render_s,
            "encode_s": made.encode_s,
            "real_time_factor": made.wall_s / made.duration_s,
        }

    def _from_files(
        self, item: Item, out: Path, notes: dict[str, Any], seed: int
    ) -> tuple[Made, dict[str, str]]:
        if self._model is None:
            raise ValueError("pairs are made by a model")
        with at_hand(where_of(item.audio)) as audio:
            voice = read_voice(audio, self._task.max_seconds)
            heard = sha256_of(audio)
        with at_hand(where_of(item.image)) as image:
            origin = {"image_sha256": sha256_of(image), "audio_sha256": heard}
            portrait = find_portrait(read_picture(image), self._size, item.image, item.face)
        config = self._task.config
        changes = Changes(
            pose=still(voice.frames, 6) if config.pose == "still" else None,
            eyes=still(voice.frames, 2) if config.blink == "still" else None,
        )
        made = generate(
            self._model, portrait, voice, config, seed, out, changes=changes, notes=notes
        )
        return made, origin

    def _from_clip(
        self,
        clip: ClipFiles,
        item: Item,
        out: Path,
        scratch: Path,
        notes: dict[str, Any],
        seed: int,
    ) -> tuple[Made, dict[str, str]]:
        """From a clip's first frame, as measured at ingest, and its sound."""
        model = self._model
        if model is None or item.clip_id is None or self._task.dataset is None:
            raise ValueError("clips are made by a model, from a dataset")
        dataset = Dataset(self._task.dataset)
        sound, video = local(dataset, clip.sound, scratch), local(dataset, clip.video, scratch)
        voice = read_voice(sound, self._task.max_seconds)
        states = read_states(dataset, clip, item.clip_id)
        portrait = states.portrait(first_frame(video, self._size))
        audio = None
        if audio_kind(dataset) == model.conventions.audio:
            audio = read_audio(dataset, clip, item.clip_id)[: voice.frames]
        changes = states.changes(self._task.config, voice.frames)
        made = generate(
            model, portrait, voice, self._task.config, seed, out,
            changes=changes, audio=audio, notes=notes,
        )  # fmt: skip
        return made, _origin(video, sound)

    def _baseline(
        self, clip: ClipFiles, out: Path, scratch: Path, notes: dict[str, Any], kind: Baseline
    ) -> tuple[Made, dict[str, str]]:
        dataset = Dataset(str(self._task.dataset))
        sound, video = local(dataset, clip.sound, scratch), local(dataset, clip.video, scratch)
        voice, origin = read_voice(sound, self._task.max_seconds), _origin(video, sound)
        picture = first_frame(video, self._size)
        if kind == "static":
            return make_static(picture, voice, out, notes), origin
        if self._lfg is None:
            raise ValueError("real motion is rendered by LFG")
        other = scratch / "driving"
        other.mkdir()
        driving = video if kind == "reconstruct" else local(dataset, clip.driving, other)
        chunk = self._task.config.render_frames
        made = make_with_motion(self._lfg, self._device, picture, driving, voice, out, notes, chunk)
        return made, origin


def _origin(image: Path, sound: Path) -> dict[str, str]:
    """Columns that say by content what a video was made from."""
    return {"image_sha256": sha256_of(image), "audio_sha256": sha256_of(sound)}


def first_row(task: RunTask, item: Item) -> dict[str, Any]:
    """The columns of an item's row that are known before it is made; a failed one so far."""
    config, made = task.config, task.baseline is None
    return {
        "run": task.run,
        "system": task.system,
        "item": item.name,
        "clip_id": item.clip_id,
        "video_id": item.video_id,
        "speaker": item.speaker,
        "checkpoint": task.digest,
        "dataset_hash": task.dataset_hash,
        "settings_hash": task.settings_hash,
        "seed": item_seed(task.seed, item.name),
        "steps": config.steps if made else None,
        "guidance": config.guidance if made else None,
        "eta": config.eta if made else None,
        "window": config.window if made else None,
        "device": task.device,
        "dtype": config.dtype if made else "float32",
        "image": item.image,
        "face": item.face,
        "audio": item.audio,
        "status": "failed",
    }


def failure(reason: str, error: BaseException | str) -> dict[str, Any]:
    """The columns that say why an item has no video."""
    return {"status": "failed", "reason": reason, "detail": " ".join(str(error).split())[:500]}
