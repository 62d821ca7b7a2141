"""The jobs of an ingest: each reads one file or span and stages what it found.

Plain functions that run in any process. They write under the dataset's `.staged/VIDEO-KEY/`,
where nothing is visible yet; `pipeline.ingest.run` judges and commits. A step that was done is not
done again, so that a killed run loses at most the spans in flight.
"""

import json
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pyarrow as pa

from dawn.curation.extraction import Clip, extract_span, spans
from dawn.curation.networks import measure
from dawn.curation.tables import Label, audio_table, clip_row, clips_table, frames_table
from dawn.device import CPU, Placement, is_device_fault, pick_device
from dawn.features.sound.mel import log_mel
from dawn.features.video.encode import read_flac
from dawn.features.video.probe import VideoInfo, probe
from dawn.recipe import Recipe
from manifests.content_ids import clip_id, video_id
from manifests.errors import is_full, is_out_of_reach
from manifests.forgotten import Region
from manifests.location import Place, Where, stamp_at
from manifests.location import stamp as stamp_of
from manifests.parquet import part_writer, read_batches
from manifests.reasons import Quarantine, UnreadableVideoError
from manifests.schema import FRAMES, VIDEOS, schema
from manifests.staging import at_hand
from manifests.store import STAGED, Dataset


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A source that could not be read."""

    reason: Quarantine
    detail: str


@dataclass(frozen=True, slots=True)
class Identified:
    """A file whose bytes were hashed."""

    video_id: str
    size: int
    stamp: str
    """Another once the file is."""


@dataclass(frozen=True, slots=True)
class VideoTask:
    """What every step of one video needs to know."""

    root: str
    scratch: str | None
    """A folder on the dataset's disk; None: workers make theirs on the node they run on."""
    recipe: Recipe
    video_id: str
    path: Where
    size: int
    stamp: str
    labels: tuple[Label, ...]
    place: Placement = CPU
    """Where networks run."""
    forgotten: tuple[Region, ...] = ()
    """What is not to come back."""

    @property
    def key(self) -> str:
        """Of the extraction's results."""
        return self.recipe.extract_key(self.labels)

    @property
    def stage(self) -> str:
        """The folder in which this video's results wait."""
        return f"{STAGED}/{self.video_id}-{self.key}"

    def workplace(self) -> tempfile.TemporaryDirectory[str]:
        """A folder of the step that calls, on the node that it runs on, gone when it ends."""
        return tempfile.TemporaryDirectory(prefix="dawn-", dir=self.scratch)


def networks_of(recipe: Recipe) -> tuple[bool, bool]:
    """Whether `extract` and whether `finish` run networks that a GPU would take."""
    return bool(recipe.weights.keys() - {"brisque", "dnsmos", "hubert"}), "hubert" in recipe.weights


def _require(work: VideoTask, networks: bool) -> None:
    """See that this worker has the device, before any work. Raises DeviceError."""
    if networks and work.place.on_gpu:
        pick_device(work.place.device)


P = ParamSpec("P")
T = TypeVar("T")


def quarantined(step: Callable[P, T]) -> Callable[P, T | Quarantined]:
    """The one boundary at which a video's fault becomes a row instead of an exception."""

    @wraps(step)
    def guarded(*arguments: P.args, **options: P.kwargs) -> T | Quarantined:
        try:
            return step(*arguments, **options)
        except UnreadableVideoError as error:
            return Quarantined(error.reason, error.detail)
        except Exception as error:
            if is_full(error) or is_device_fault(error) or is_out_of_reach(error):
                raise  # a full disk, a GPU or store that is gone: no fault of the video
            last = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
            return Quarantined(Quarantine.INTERNAL, detail.replace("\n", " ")[:500])

    return guarded


@quarantined
def identify(path: Where) -> Identified:
    """Hash a file."""
    if isinstance(path, str):
        return _identify_remote(path)
    try:
        if not path.exists():
            raise UnreadableVideoError(Quarantine.NOT_FOUND, "there is no file at this path")
        if not path.is_file():
            raise UnreadableVideoError(Quarantine.NOT_A_FILE, "this is not a regular file")
        size, stamp = path.stat().st_size, stamp_at(path)
        if size == 0:
            raise UnreadableVideoError(Quarantine.EMPTY, "the file has no bytes")
        return Identified(video_id(path), size, stamp)
    except FileNotFoundError as error:
        raise UnreadableVideoError(Quarantine.NOT_FOUND, "it vanished while read") from error
    except OSError as error:
        detail = f"cannot be opened: {error.strerror}"
        raise UnreadableVideoError(Quarantine.NOT_A_FILE, detail) from error


def _identify_remote(uri: str) -> Identified:
    place = Place.of(uri)
    try:
        info = place.fs.info(place.path)
        if info["type"] != "file":
            raise UnreadableVideoError(Quarantine.NOT_A_FILE, "this is not a file")
        if not info["size"]:
            raise UnreadableVideoError(Quarantine.EMPTY, "the file has no bytes")
        with at_hand(uri) as path:
            return Identified(video_id(path), int(info["size"]), stamp_of(info))
    except FileNotFoundError as error:
        raise UnreadableVideoError(Quarantine.NOT_FOUND, "there is no file at this URI") from error


@quarantined
def prepare(work: VideoTask) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """Probe a video; returns its VideoInfo as a dict and the spans to extract."""
    with at_hand(work.path) as path:
        info = probe(path, work.recipe.config.extract.limits)
    ranges = _pieces([(label.start, label.stop or info.frames) for label in work.labels])
    if work.labels and not ranges:
        return asdict(info), []  # all of them begin after the video's end
    return asdict(info), spans(info, ranges, work.recipe.config.extract)


@quarantined
def extract(work: VideoTask, info: dict[str, Any], start: int, stop: int) -> dict[str, float]:
    """Extract one span and stage it; returns the seconds of each step."""
    _require(work, networks_of(work.recipe)[0])
    dataset = Dataset(work.root)
    name = f"{work.stage}/span-{start:07d}"
    if dataset.has(f"{name}.json"):
        return dict(json.loads(dataset.fs.cat_file(f"{dataset.path}/{name}.json"))["seconds"])
    with at_hand(work.path) as path, work.workplace() as folder:
        result = extract_span(
            path, VideoInfo(**info), start, stop, work.recipe.config.extract, Path(folder)
        )
        clips = [clip for clip in result.clips if not _is_forgotten(work, clip)]
        rows = [_publish(dataset, work, clip) for clip in clips]
        tables = [frames_table(work.video_id, clip) for clip in clips]
        scratch = Path(folder)
        dataset.publish_table(clips_table(rows), f"{name}.clips.parquet", scratch)
        if tables:
            dataset.publish_table(pa.concat_tables(tables), f"{name}.frames.parquet", scratch)
        seconds = {step: float(value) for step, value in result.seconds.items()}
        done = {
            "cuts": result.cuts,
            "tracks_ignored": result.tracks_ignored,
            "frames_damaged": result.frames_damaged,
            "seconds": seconds,
        }
        note = scratch / "done.json"
        note.write_text(json.dumps(done), encoding="utf-8")
        dataset.publish(note, f"{name}.json")  # last: it says that the others are whole
    return seconds


@quarantined
def finish(work: VideoTask, info: dict[str, Any], parts: list[tuple[int, int]]) -> dict[str, Any]:
    """Join a video's staged spans and compute its audio features; returns its `videos` facts."""
    try:
        after = stamp_at(work.path)
    except FileNotFoundError as error:
        raise UnreadableVideoError(Quarantine.NOT_FOUND, "it vanished while read") from error
    if after != work.stamp:
        raise UnreadableVideoError(Quarantine.CHANGED, "its size or time changed while it was read")
    dataset = Dataset(work.root)
    names = [f"{work.stage}/span-{start:07d}" for start, _ in parts]
    notes = [json.loads(dataset.fs.cat_file(f"{dataset.path}/{name}.json")) for name in names]
    rows: list[dict[str, Any]] = []
    for name in names:
        rows += dataset.read(f"{name}.clips.parquet").to_pylist()
    if rows:
        _join_frames(dataset, work, names)
        stage_audio(work, [(row["clip_id"], row["sound_path"]) for row in rows])
    with work.workplace() as folder:
        dataset.publish_table(clips_table(rows), f"{work.stage}/clips.parquet", Path(folder))
    return {
        **{column.name: info[column.name] for column in VIDEOS if column.name in info},
        "clock_restarts": len(info["stretches"]) - 1,
        "frames_damaged": sum(note["frames_damaged"] for note in notes),
        "cuts": sorted(cut for note in notes for cut in note["cuts"]),
        "tracks_ignored": sum(note["tracks_ignored"] for note in notes),
        "clips_total": len(rows),
    }


def stage_audio(work: VideoTask, sounds: list[tuple[str, str]]) -> None:
    """Compute the audio features of clips (id, path of the FLAC) and stage them."""
    _require(work, networks_of(work.recipe)[1])
    dataset = Dataset(work.root)
    target = f"{work.stage}/audio-{work.recipe.audio_key(work.key)}.parquet"
    with work.workplace() as folder:
        temporary = Path(folder) / "audio.parquet"
        tables = (
            _audio_of(work, clip, dataset.local_copy(path, Path(folder)))
            for clip, path in sorted(sounds)
        )
        first = next(tables)
        with part_writer(temporary, first.schema) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)
                pa.default_memory_pool().release_unused()
        dataset.publish(temporary, target)


restage_audio = quarantined(stage_audio)
"""`stage_audio` as a job of its own, for clips that are committed already."""


def _audio_of(work: VideoTask, clip: str, sound: Path) -> pa.Table:
    samples = read_flac(sound)
    return audio_table(work.video_id, clip, samples, _features(samples, work))


def _features(samples: Any, work: VideoTask) -> Any:  # noqa: ANN401 - float32 arrays
    if "hubert" not in work.recipe.weights:
        return log_mel(samples)
    from dawn.curation.networks import hubert_features

    return hubert_features(samples, work.place)


def _is_forgotten(work: VideoTask, clip: Clip) -> bool:
    square = clip.square
    place = {"start_frame": clip.start, "frames": clip.frames, "crop_x": square.x}
    place |= {"crop_y": square.y, "crop_side": square.side}
    return any(region.shows(place) for region in work.forgotten)


def _publish(dataset: Dataset, work: VideoTask, clip: Clip) -> dict[str, object]:
    """Put a clip's media into place and return its row."""
    name = clip_id(work.video_id, clip.start, clip.track)
    base = f"media/{work.video_id[:2]}/{name}-{work.key[:8]}"
    video, sound = f"{base}.mp4", f"{base}.flac"
    hands = work.recipe.config.extract.hands
    measured = measure(clip, work.recipe.weights, hands=hands, place=work.place)
    row = clip_row(work.video_id, clip, video, sound, measured)
    dataset.publish(clip.video, video)
    dataset.publish(clip.sound, sound)
    return row


def _join_frames(dataset: Dataset, work: VideoTask, names: list[str]) -> None:
    """Concatenate the spans' frames, one row group after the other."""
    with work.workplace() as folder:
        temporary = Path(folder) / "frames.parquet"
        with part_writer(temporary, schema(FRAMES)) as writer:
            for name in names:
                if not dataset.has(f"{name}.frames.parquet"):
                    continue
                with dataset.open_part(f"{name}.frames.parquet") as file:
                    for batch in read_batches(file):
                        writer.write_batch(batch)
                pa.default_memory_pool().release_unused()  # else a long video's spans pile up
        dataset.publish(temporary, f"{work.stage}/frames.parquet")


def _pieces(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What the ranges cover, cut at each of their ends: no clip is under two labels by halves."""
    edges = sorted({edge for pair in ranges for edge in pair})
    return [(a, b) for a, b in pairwise(edges) if any(s <= a and b <= t for s, t in ranges)]
