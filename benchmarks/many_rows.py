"""Datasets of very many videos of one clip each, as ingests and a compaction leave them, made of
rows alone; and an ingest of further ones whose files nobody reads.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dawn.curation.tables import clips_table
from dawn.device import CPU
from dawn.features.faces.identity import EMBEDDING
from dawn.recipe import IngestConfig, Recipe
from manifests.glance import Glance
from manifests.parquet import part_writer
from manifests.schema import CLIPS, DECISIONS, EXTRACTED, VIDEOS, schema
from manifests.seen import Sighting, write_seen
from manifests.store import COMPACT, Dataset
from pipeline.cluster.shared import Sight
from pipeline.ingest.sources import Source
from pipeline.ingest.steps import Identified, VideoTask
from tests.manifests.rows import audio_of, clip, decision, frames_of

FRAMES_OF_PICTURES = 10
POINTS = 50
"""Hashes and points of curves of a clip of four seconds."""
PER_FILE = 20_000
"""Videos of one merged part."""
PER_GROUP = 1000
"""Videos of one row group."""
BYTES = 10**6
_TEMPLATE = clip("v", frames=1, blinks=[])
"""One frame a clip: what is looked at here is rows of videos and clips."""


def recipe() -> Recipe:
    """The defaults, without any network's weights."""
    return Recipe(IngestConfig(use_weights=False), {})


def video_name(number: int, lot: int = 0) -> str:
    """An id; those of later lots lie between those of the first."""
    return f"{number:015d}{lot}00000000"


def sources(names: list[str]) -> list[Source]:
    """Objects of a bucket, with what its listing says of them: nothing is asked of any."""
    return [Source(path_of(name), glance=Glance(BYTES, name, name)) for name in names]


def path_of(name: str) -> str:
    """The object that holds a video."""
    return f"s3://footage/talking/heads/{name}.mp4"


def extracted(names: list[str], seed: int) -> pa.Table:
    """Columns of `clips` as extraction leaves them: people who all look and move differently."""
    random, count = np.random.default_rng(seed), len(names)
    table = pa.Table.from_pylist([_TEMPLATE], schema(CLIPS)).take(np.zeros(count, np.int64))
    hashes = random.integers(0, 2**63, (2, count, FRAMES_OF_PICTURES)).astype(np.uint64)
    curves = random.integers(100, 156, (count, POINTS * 4), np.uint8)
    faces = random.standard_normal((count, EMBEDDING)).astype(np.float32)
    clips = [f"{name}-0000000-0" for name in names]
    return _with(
        table,
        video_id=pa.array(names), clip_id=pa.array(clips),
        picture_hashes=_lists(hashes[0]), mirror_hashes=_lists(hashes[1]),
        motion_curves=_lists(curves), embedding=_lists(faces),
        duration_s=pa.array(np.full(count, 4.0)), source_name=pa.array(names),
        video_path=pa.array([f"media/{name[:2]}/{name}.mp4" for name in names]),
        sound_path=pa.array([f"media/{name[:2]}/{name}.flac" for name in names]),
        identity=pa.array([f"face:{name}" for name in clips]),
    )  # fmt: skip


def fill(root: str, count: int) -> None:
    """A dataset of so many videos, in merged parts."""
    made, dataset = recipe(), Dataset(root)
    dataset.ensure(made.as_dict())
    with dataset.writing() as session:
        rows = []
        for begin in range(0, count, PER_FILE):
            names = [video_name(number) for number in range(begin, min(begin + PER_FILE, count))]
            part = f"{COMPACT}{begin:012d}.parquet"
            clips = extracted(names, begin)
            for table, content in {
                "clips": clips,
                "decisions": _repeated(decision(_TEMPLATE), clips),
                "frames": _repeated(frames_of(_TEMPLATE), clips),
                "audio": _repeated(audio_of(_TEMPLATE), clips),
            }.items():
                with part_writer(session.scratch / part, content.schema) as writer:
                    for first in range(0, len(names), PER_GROUP):  # about a megabyte, or less
                        writer.write_table(content.slice(first, PER_GROUP))
                dataset.publish(session.scratch / part, f"{table}/{part}")
            rows.append(_videos(names, made, part))
            write_seen(session, {path_of(name): Sighting(name, name) for name in names})
        videos = pa.concat_tables(rows)
        dataset.publish_table(videos, f"videos/{COMPACT}all.parquet", session.scratch)


def _videos(names: list[str], made: Recipe, part: str) -> pa.Table:
    key = made.extract_key(())
    row: dict[str, Any] = dict.fromkeys(column.name for column in VIDEOS) | {
        "video_id": "v", "sources": [], "labels": [], "status": "ok", "bytes": BYTES,
        "container": "mov,mp4,m4a,3gp,3g2,mj2", "codec": "h264", "width": 1280, "height": 720,
        "duration_s": 4.0, "cuts": [], "clips_total": 1, "clips_accepted": 1,
        "step_seconds": [{"step": step, "seconds": 0.1} for step in ("decode", "mesh", "encode")],
        "extract_key": key, "audio_key": made.audio_key(key), "judge_key": made.judge_key(key, ()),
        "split_key": made.split_key(),
    } | {f"{table}_part": part for table in ("clips", "frames", "audio", "decisions")}  # fmt: skip
    table = pa.Table.from_pylist([row], schema(VIDEOS)).take(np.zeros(len(names), np.int64))
    paths = pa.array([[path_of(name)] for name in names])
    return _with(table, video_id=pa.array(names), sources=paths)


class Staging:
    """An executor that stages made rows where a worker would have read a video."""

    workers, place = 1, CPU

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._jobs: deque[tuple[Hashable, Any]] = deque()

    def expect(self, sights: tuple[Sight, ...]) -> None:
        """See Executor: there are no workers."""

    def withdraw(self, unwanted: Callable[[Any], bool]) -> None:
        """See Executor."""

    def close(self) -> None:
        """See Executor."""

    def submit(
        self,
        key: Hashable,
        job: Callable[..., Any],
        *arguments: object,
        networks: bool = False,  # noqa: ARG002 - there are none
    ) -> None:
        """See Executor."""
        self._jobs.append((key, (job.__name__, arguments)))

    def results(self) -> Iterator[tuple[Hashable, Any]]:
        """See Executor."""
        while self._jobs:
            key, (name, arguments) = self._jobs.popleft()
            yield key, getattr(self, f"_{name}")(*arguments)

    def _identify(self, path: str) -> Identified:
        name = path.rsplit("/", 1)[-1].removesuffix(".mp4")
        return Identified(name, BYTES, name)

    def _prepare(self, _: VideoTask) -> tuple[dict[str, Any], list[Any]]:
        return {}, []

    def _finish(self, work: VideoTask, *_: object) -> dict[str, Any]:
        table = extracted([work.video_id], int(work.video_id[:16]))
        (row,) = table.to_pylist()
        clips = clips_table([{c.name: row[c.name] for c in EXTRACTED}])
        audio = work.recipe.audio_key(work.key)
        with work.workplace() as folder:
            for name, content in {
                "clips": clips, "frames": _repeated(frames_of(_TEMPLATE), table),
                f"audio-{audio}": _repeated(audio_of(_TEMPLATE), table),
            }.items():  # fmt: skip
                self._dataset.publish_table(content, f"{work.stage}/{name}.parquet", Path(folder))
        return {"duration_s": 4.0, "frames_damaged": 0, "clips_total": 1}


def _repeated(of: pa.Table | dict[str, Any], clips: pa.Table) -> pa.Table:
    """One row of a table for each of the clips."""
    if isinstance(of, dict):
        of = pa.Table.from_pylist([of], schema(DECISIONS))
    table = of.take(np.zeros(len(clips), np.int64))
    return _with(table, clip_id=clips["clip_id"], video_id=clips["video_id"])


def _with(table: pa.Table, **columns: pa.Array) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, values.cast(field.type))
    return table


def _lists(values: NDArray[Any]) -> pa.ListArray:
    count, length = values.shape
    return pa.ListArray.from_arrays(
        np.arange(0, (count + 1) * length, length, dtype=np.int32), values.ravel()
    )
