"""`dawn dataset info` and `validate`: what is there, and whether it is sound."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from dawn.curation.decisions import FILTERS
from dawn.curation.duplicates import copies_across_splits
from dawn.features.rates import SAMPLES_PER_FRAME
from dawn.features.video.encode import read_flac
from dawn.recipe import IngestConfig
from manifests.catalog import query, rows
from manifests.config import load
from manifests.counting import count
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.progress import console
from pipeline.query import show

_OVERVIEW = """
SELECT split, count(*) AS clips, count(DISTINCT identity) AS identities,
       sum(duration_s) / 60 AS minutes, sum(len(blinks))::BIGINT AS blinks
FROM clips WHERE accepted GROUP BY split ORDER BY split
"""


def print_info(root: str) -> None:
    """Splits, funnel, sizes and recipe."""
    dataset = Dataset(root)
    info = dataset.info()
    show(query(dataset, _OVERVIEW))
    show(query(dataset, "SELECT * FROM funnel() WHERE count > 0"))
    size = dataset.fs.du(dataset.path)
    console.print(
        f"{size / 1e6:.1f} MB at {dataset.uri}, recipe {info['recipe_hash']}", markup=False
    )
    console.print(json.dumps(info["recipe"]["weights"]), markup=False)


def print_faults(root: str, *, media: bool) -> int:
    """Print what is broken; returns how much."""
    dataset = Dataset(root)
    dataset.info()
    found = 0
    for fault in (*faults(dataset), *_identity_faults(dataset), *_copy_faults(dataset)):
        console.print(fault, markup=False)
        found += 1
    if media:
        for fault in media_faults(dataset):
            console.print(fault, markup=False)
            found += 1
    console.print(count(found, "fault") if found else "every invariant holds")
    return found


def media_faults(dataset: Dataset) -> Iterator[str]:
    """Clips whose media do not hold exactly their frames and 640 samples for each."""
    sql = "SELECT frames, video_path, sound_path FROM clips ORDER BY clip_id"
    for clip in rows(dataset, sql):
        with TemporaryDirectory() as folder:
            for name, length_of in (("video_path", _frames), ("sound_path", _samples)):
                path = str(clip[name])
                try:
                    length = length_of(dataset.local_copy(path, Path(folder)))
                except (av.error.FFmpegError, OSError) as error:
                    yield f"media decode: {path} does not ({error.strerror})"
                    continue
                if length != clip["frames"]:
                    yield f"media align: {path} holds {length:g} frames, not {clip['frames']}"


def _identity_faults(dataset: Dataset) -> Iterator[str]:
    """Faces that are alike across splits, whatever their labels say."""
    config = load(IngestConfig, dataset.info()["recipe"]["config"])
    sql = (
        "SELECT clip_id, split, embedding FROM clips WHERE embedding IS NOT NULL AND accepted "
        "AND split <> 'excluded' ORDER BY clip_id"
    )
    clips = rows(dataset, sql)
    if not clips:
        return
    vectors = np.array([clip["embedding"] for clip in clips], np.float32)
    splits = np.array([clip["split"] for clip in clips])
    for i in range(len(clips)):  # a row at a time: n x n would not fit for large datasets
        leaks = (vectors[i + 1 :] @ vectors[i] >= config.splits.same_face) & (
            splits[i + 1 :] != splits[i]
        )
        for j in np.flatnonzero(leaks):
            other = clips[i + 1 + int(j)]
            yield (
                f"faces do not cross splits: {clips[i]['clip_id']} ({splits[i]}) looks like "
                f"{other['clip_id']} ({other['split']}); if they are one person, "
                "give both videos the same `speaker` in a list and ingest it"
            )


def _copy_faults(dataset: Dataset) -> Iterator[str]:
    """The same footage in accepted clips of two splits, found as ingest finds duplicates."""
    config = load(IngestConfig, dataset.info()["recipe"]["config"])
    chosen, default = config.filters.max_duplicate, FILTERS["duplicate"].settings[0].default
    threshold = float(chosen or default or 1.0)  # with the filter off, a copy is still a leak
    # Not by name: datasets of older versions lack some columns.
    sql = "SELECT * FROM clips WHERE accepted AND split <> 'excluded' ORDER BY clip_id"
    for clip, other, score in copies_across_splits(rows(dataset, sql), threshold):
        yield (
            f"footage does not cross splits: {clip} shows what {other} shows (score {score:.2f}); "
            "give both videos the same `speaker` in a list and ingest it"
        )


def _frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _samples(path: Path) -> float:
    return len(read_flac(path)) / SAMPLES_PER_FRAME
