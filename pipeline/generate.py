"""`dawn generate`: one video here, or a run of many on workers, resumable by its rows."""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av

from dawn.checkpoints import verify
from dawn.features.picture import read_picture
from dawn.sampling.drive import Changes, changes_from, measure_clip, still
from dawn.sampling.generate import Made, generate, work
from dawn.sampling.model import ModelFolder, find_model, load_model, pick_device
from dawn.sampling.portrait import find_portrait
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.voice import read_voice
from manifests.config import as_dict, stable_hash
from manifests.errors import InputError
from manifests.runs import RunFolder, item_name
from pipeline.actors import Workers
from pipeline.executor import Failure
from pipeline.generate_items import Item
from pipeline.generate_progress import WorkProgress
from pipeline.generate_worker import RUN_INFO, RunTask, failure, first_row
from pipeline.progress import console, quiet_libraries

FIXED = ("system", "checkpoint", "dataset_hash", "split", "list", "settings", "seed", "baseline")
"""What a run folder is about: changing one of these needs another folder."""


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
    with _temporary(request.out) as temporary, WorkProgress(total, "generate") as progress:
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


def settings_of(
    config: GenerateConfig, folder: ModelFolder | None, max_seconds: float | None
) -> dict[str, Any]:
    """What decides a video beside seed and inputs, with the window that is really used."""
    settings = as_dict(config) | {"max_seconds": max_seconds}
    if folder is not None:
        settings["window"] = config.window or folder.window
    return settings


def verify_model(folder: ModelFolder) -> None:
    """Hold every file against its card, once, before workers load them."""
    for found in (folder.lfg, folder.a2v, *folder.pbnets):
        verify(found.folder, found.card)


@dataclass(slots=True)
class RunSummary:
    """What a run did."""

    counts: Counter[str]
    """ok, failed, there already."""


def generate_run(
    items: list[Item],
    task: RunTask,
    info: dict[str, Any],
    workers: Workers,
    *,
    retry: bool = False,
) -> RunSummary:
    """Make what the run folder does not hold yet; longest first, so that workers end together.

    Items never raise: they end as rows. Raises InputError when the folder is another run's or
    is being written to, OSError when the disk is full.
    """
    folder = RunFolder(task.root, RUN_INFO)
    counts: Counter[str] = Counter()
    with folder.writing():
        folder.ensure(info, FIXED)
        done = _done(folder, retry=retry)
        todo = [item for item in items if f"{item_name(item.name)}.parquet" not in done]
        counts["there already"] = len(items) - len(todo)
        todo.sort(key=lambda item: (-item.frames, item.name))
        weights = {item.name: max(1, item.frames) for item in todo}
        with WorkProgress(sum(weights.values()) or 1, "generate", counts, len(items)) as progress:
            for item, outcome in workers.results(todo):
                counts[_ended(folder, task, item, outcome)] += 1
                progress.advance(weights[item.name])
    return RunSummary(counts)


def _ended(folder: RunFolder, task: RunTask, item: Item, outcome: Any) -> str:  # noqa: ANN401
    """The item's status; writes the row of one whose worker could not."""
    if not isinstance(outcome, Failure):
        return str(outcome)
    if outcome.kind == "error" and "No space left" in outcome.detail:
        raise InputError(f"{folder.uri}: no space left on the disk; free some, then run it again")
    reason = {"timeout": "timeout", "crash": "worker_crashed", "error": "internal_error"}
    row = first_row(task, item) | failure(reason[outcome.kind], outcome.detail)
    folder.write("generations", item.name, [row])
    return "failed"


def _done(folder: RunFolder, *, retry: bool) -> set[str]:
    """Names of the parts that are there and are not to be made again."""
    names = {part.rsplit("/", 1)[-1] for part in folder.parts("generations")}
    if not retry:
        return names
    table = folder.read("generations", ["item", "status"]).to_pylist()
    failed = {f"{item_name(row['item'])}.parquet" for row in table if row["status"] != "ok"}
    return names - failed


def run_info(task: RunTask, settings: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """What `run.json` says."""
    return {
        "run": task.run,
        "system": task.system,
        "checkpoint": task.digest,
        "checkpoint_path": task.checkpoint,
        "dataset": task.dataset,
        "dataset_hash": task.dataset_hash,
        "baseline": task.baseline,
        "settings": settings,
        "settings_hash": stable_hash(settings),
        "seed": task.seed,
        "device": task.device,
        "split": None,
        "list": None,
        **more,
    }


def with_window(config: GenerateConfig, folder: ModelFolder) -> GenerateConfig:
    """The settings with the window that is really used, so that rows can name it."""
    return replace(config, window=config.window or folder.window)


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
