"""`dawn dataset export`: accepted clips in the layouts that other tools read."""

import io
import json
import shlex
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from eval.report.numbers import finite
from manifests.catalog import query
from manifests.config import stable_hash
from manifests.counting import count
from manifests.errors import InputError
from manifests.parquet import part_writer, read_parquet, write_parquet
from manifests.safe_sql import quoted
from manifests.schema import FINGERPRINTS
from manifests.split_counts import no_clips
from manifests.store import Dataset
from pipeline.dataset.card import AUDIO, FRAMES, dataset_name, write_card
from pipeline.dataset.croissant import PARQUET, file_object, file_set
from pipeline.dataset.facts import SPLITS, facts_of, where
from pipeline.dataset.whole_folder import NewFolder, whole_folder
from pipeline.progress import Progress, console

Layout = Literal["webdataset", "huggingface"]
VERSION = 1
"""Raised when a layout changes, so that nobody goes on with an older one's half."""

HUGGINGFACE_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_CLIPS_PER_SHARD = 500
_MEDIA = ["video_path", "sound_path"]
_LEFT_OUT = [column.name for column in FINGERPRINTS]
"""They serve to find copies and people, which is nobody's business but the dataset's maker's."""


def export(root: str, out: Path, to: Layout, split: str) -> int:
    """Write the accepted clips of a split, or of all; returns how many.

    A killed export leaves `OUT.part` alone, with which the same command goes on. Raises
    InputError when the folder holds something, or no clip is accepted.
    """
    dataset = Dataset(root)
    dataset.info()
    splits = SPLITS if split == "all" else (split,)
    table = query(
        dataset,
        f"SELECT * EXCLUDE ({', '.join(_LEFT_OUT)}) FROM clips "  # noqa: S608 - our own names
        f"WHERE {where(splits)} ORDER BY clip_id",
    )
    if not table.num_rows:
        raise no_clips(dataset, split, "--split all")
    clips: list[dict[str, Any]] = table.to_pylist()
    plan = stable_hash([VERSION, to, splits, dataset.info()["recipe_hash"], _plain(clips)])
    name = dataset_name(dataset)
    progress = Progress("export", len(clips))
    with whole_folder(out, "export", plan) as folder, progress:
        write = _webdataset if to == "webdataset" else _huggingface
        files, source, columns, front = write(dataset, folder, table, progress)
        facts = facts_of(dataset, name, splits)
        write_card(dataset, folder, facts, splits, files, source, columns, front)
    _say(out, to, len(clips))
    return len(clips)


Made = tuple[list[dict[str, Any]], dict[str, Any], pa.Schema, dict[str, Any]]
"""Croissant's files, the one with a row a clip, its columns; what the card's front matter adds."""


def _webdataset(dataset: Dataset, folder: NewFolder, table: pa.Table, progress: Progress) -> Made:
    """Tar files of (mp4, flac, json) a clip, by split, and an index of the clips."""
    files = []
    shard_of: dict[str, str] = {}
    for split, clips in _by_split(table):
        for name, chunk in _shards(clips, f"{split}-{{:06d}}.tar"):
            shard_of |= dict.fromkeys((clip["clip_id"] for clip in chunk), name)
            if not folder.has(name):
                folder.make(name, partial(_write_tar, dataset, chunk))
            progress.advance(len(chunk))
            files.append(file_object(folder.path, name, "application/x-tar", f"Shard of {split}."))
    shards = pa.array([shard_of[clip] for clip in table["clip_id"].to_pylist()])
    index = table.drop_columns(_MEDIA).append_column("shard", shards)
    folder.make("clips.parquet", lambda path: write_parquet(path, index))
    files.append(file_object(folder.path, "clips.parquet", PARQUET, "A row a clip."))
    return files, {"fileObject": {"@id": "clips.parquet"}}, index.schema, {}


def _write_tar(dataset: Dataset, clips: list[dict[str, Any]], path: Path) -> None:
    with tarfile.open(path, "w") as tar, TemporaryDirectory() as scratch:
        for clip in clips:
            for column, suffix in zip(_MEDIA, ("mp4", "flac"), strict=True):
                content = _media(dataset, clip[column], Path(scratch))
                _add(tar, f"{clip['clip_id']}.{suffix}", content)
            row = {key: value for key, value in clip.items() if key not in _MEDIA}
            _add(tar, f"{clip['clip_id']}.json", json.dumps(_plain(row)).encode())


def _media(dataset: Dataset, name: str, scratch: Path) -> bytes:
    try:
        return dataset.local_copy(name, scratch).read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{dataset.uri}/{name}: is not there; `dawn dataset validate` lists what is lost"
        ) from error


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # time 0, no owner: the same clips give the same bytes
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _huggingface(dataset: Dataset, folder: NewFolder, table: pa.Table, progress: Progress) -> Made:
    """What `datasets` calls a video folder: videos with `metadata.parquet` beside them, by split;
    the tables `frames` and `audio` beside them (one builder reads all configurations of a folder,
    so that these cannot be some).
    """
    data_files = []
    schema = table.schema
    for split, clips in _by_split(table):
        theirs = HUGGINGFACE_SPLITS.get(split, split)
        rows = []
        for clip in clips:
            rows.append(_copy_clip(dataset, folder, clip, theirs))
            progress.advance(1)
        metadata = _with_paths(table.filter(pc.equal(table["split"], split)), rows)
        schema = metadata.schema
        name = f"data/{theirs}/metadata.parquet"
        folder.make(name, partial(write_parquet, table=metadata))
        data_files.append({"split": theirs, "path": [name, f"data/{theirs}/**/*.mp4"]})
        for kind in ("frames", "audio"):
            for part, chunk in _shards(clips, f"{kind}/{theirs}-{{:05d}}.parquet"):
                if not folder.has(part):
                    folder.make(part, partial(_write_rows, dataset, kind, chunk))
    front = {"configs": [{"config_name": "default", "data_files": data_files}]}
    files = [
        file_set("metadata", "data/*/metadata.parquet", PARQUET, "A row a clip, by split."),
        file_set("videos", "data/**/*.mp4", "video/mp4", "The crops with sound, at 25 fps."),
        file_set("sounds", "sound/**/*.flac", "audio/flac", "Their sound, lossless, at 16 kHz."),
        file_set("frames", "frames/*.parquet", PARQUET, FRAMES),
        file_set("audio", "audio/*.parquet", PARQUET, AUDIO),
    ]
    return files, {"fileSet": {"@id": "metadata"}}, schema, front


def _copy_clip(
    dataset: Dataset, folder: NewFolder, clip: dict[str, Any], split: str
) -> tuple[str, str]:
    """Copy a clip's media; their paths, the video's under its split's folder as `datasets` asks."""
    place = clip["video_path"].split("/")[-2]
    video, sound = f"{place}/{clip['clip_id']}.mp4", f"{place}/{clip['clip_id']}.flac"
    paths = {"video_path": f"data/{split}/{video}", "sound_path": f"sound/{split}/{sound}"}
    with TemporaryDirectory() as scratch:
        for column, target in paths.items():
            if not folder.has(target):
                content = _media(dataset, clip[column], Path(scratch))
                folder.make(target, partial(Path.write_bytes, data=content))
    return video, paths["sound_path"]


def _with_paths(table: pa.Table, paths: Sequence[tuple[str, str]]) -> pa.Table:
    typed = table.drop_columns(_MEDIA)
    videos, sounds = zip(*paths, strict=True)
    typed = typed.add_column(0, "file_name", pa.array(videos, pa.string()))
    return typed.append_column("sound_path", pa.array(sounds, pa.string()))


def _write_rows(dataset: Dataset, kind: str, clips: list[dict[str, Any]], path: Path) -> None:
    """The rows of these clips in `frames` or `audio`: a row group a video, one in memory."""
    wanted = pa.array([clip["clip_id"] for clip in clips])
    ids = ", ".join(quoted(video) for video in sorted({clip["video_id"] for clip in clips}))
    sql = f"SELECT video_id, {kind}_part FROM videos WHERE video_id IN ({ids}) ORDER BY video_id"  # noqa: S608
    parts = query(dataset, sql).to_pylist()
    tables = (_rows_of(dataset, kind, row[f"{kind}_part"], row["video_id"]) for row in parts)
    first = next(tables)
    with part_writer(path, first.schema) as writer:
        for found in chain([first], tables):
            writer.write_table(found.filter(pc.is_in(found["clip_id"], wanted)))


def _rows_of(dataset: Dataset, kind: str, part: str, video: str) -> pa.Table:
    with dataset.open_part(f"{kind}/{part}") as file:
        return read_parquet(file, where=("video_id", video))


def _by_split(table: pa.Table) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    clips = sorted(table.to_pylist(), key=lambda clip: (clip["split"], clip["clip_id"]))
    for split, group in groupby(clips, key=lambda clip: clip["split"]):
        yield split, list(group)


def _shards(clips: list[dict[str, Any]], name: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for number, begin in enumerate(range(0, len(clips), _CLIPS_PER_SHARD)):
        yield name.format(number), clips[begin : begin + _CLIPS_PER_SHARD]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """JSON that any reader takes: no NaN, dates as text."""
    return json.loads(json.dumps(finite(value), default=str))


def _say(out: Path, to: Layout, clips: int) -> None:
    console.print(f"wrote {count(clips, 'clip')} to {out}", markup=False)
    console.print(f"its card: {out / 'README.md'}; look it over before you publish", markup=False)
    if to == "huggingface":
        read = f'datasets.load_dataset("{out}")'
        upload = f"hf upload-large-folder USER/NAME {shlex.quote(str(out))} --repo-type dataset"
        console.print(f"read it: {read}", markup=False)
        console.print(f"publish it: {upload}", markup=False)
    else:
        shards = sorted(path.name for path in out.glob("*.tar"))
        read = f'webdataset.WebDataset("{out / shards[0]}", shardshuffle=False)'
        console.print(f"read it, {count(len(shards), 'tar file')}: {read}", markup=False)
