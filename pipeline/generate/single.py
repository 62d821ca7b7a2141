"""One video from a portrait and a voice, made in this process."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from dawn.features.faces.picture import read_picture
from dawn.sampling.drive import Changes, changes_from, measure_clip, still
from dawn.sampling.generate import Made, generate, work
from dawn.sampling.model import find_model, load_model, pick_device
from dawn.sampling.portrait import find_portrait
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.voice import read_voice
from manifests.errors import InputError
from pipeline.generate.settings import settings_of
from pipeline.progress import Progress, console, quiet_libraries


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One video from files."""

    checkpoint: Path
    image: Path
    audio: Path
    out: Path
    config: GenerateConfig = GenerateConfig()
    seed: int = 0
    device: str = "auto"
    max_seconds: float | None = None
    pose_from: Path | None = None
    blink_from: Path | None = None


def generate_one(request: Single) -> Made:
    """Make one video; says what it used. Raises InputError; nothing is left at `out` then."""
    _check_out(request.out)
    folder = find_model(request.checkpoint)
    voice = read_voice(request.audio, request.max_seconds)
    picture = read_picture(request.image)
    with quiet_libraries():
        portrait = find_portrait(picture, folder.size, str(request.image))
        changes = _changes(request, voice.frames)
    if portrait.faces > 1:
        console.print(f"{request.image}: {portrait.faces} faces, the largest is used", markup=False)
    device = pick_device(request.device)
    model = load_model(folder, device, request.config.dtype)
    notes = {
        "checkpoint": folder.digest,
        "seed": request.seed,
        "settings": settings_of(request.config, folder, request.max_seconds),
    }
    total = work(voice.frames, request.config)
    with _temporary(request.out) as temporary, Progress("generate", total) as progress:
        try:
            made = generate(
                model, portrait, voice, request.config, request.seed, temporary,
                changes=changes, notes=notes, on_work=progress.advance,
            )  # fmt: skip
        except (OSError, av.error.FFmpegError) as error:
            raise InputError(
                f"{request.out}: cannot be written: {error.strerror or error}"
            ) from error
        temporary.replace(request.out)
    return made


def _changes(request: Single, frames: int) -> Changes:
    """Pose and eyes that do not come from PBNet."""
    config = request.config
    if "real" in (config.pose, config.blink):
        raise InputError("--pose real: a portrait has no real motion; use --pose-from CLIP")
    pose = still(frames, 6) if config.pose == "still" else None
    eyes = still(frames, 2) if config.blink == "still" else None
    measured = {
        path: measure_clip(path) for path in {request.pose_from, request.blink_from} if path
    }
    if request.pose_from is not None:
        pose = changes_from(measured[request.pose_from][0], frames)
    if request.blink_from is not None:
        eyes = changes_from(measured[request.blink_from][1], frames)
    return Changes(pose=pose, eyes=eyes)


def _check_out(out: Path) -> None:
    if out.suffix.lower() != ".mp4":
        raise InputError(f"{out}: videos are written as MP4; give a name that ends in .mp4")
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the name of a file")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: its folder cannot be made: {error.strerror}") from error


@contextlib.contextmanager
def _temporary(out: Path) -> Iterator[Path]:
    """A name beside `out`, on the same disk; whatever is left there in the end is removed."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".dawn-", dir=out.parent)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error
    with folder as name:
        yield Path(name) / "video.mp4"
