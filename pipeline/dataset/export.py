"""`dawn dataset export`: accepted clips as WebDataset shards."""

import io
import json
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from manifests.catalog import rows
from manifests.errors import InputError
from manifests.store import Dataset

_CLIPS_PER_SHARD = 500


def export_webdataset(root: str, out: Path, split: str) -> tuple[int, int]:
    """Write tar files of (mp4, flac, json) a clip; returns how many shards and clips.

    Raises InputError when the folder holds something, or no clip is accepted.
    """
    dataset = Dataset(root)
    dataset.info()
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: is not empty; give a new folder")
    clips = [
        clip
        for clip in rows(dataset, "SELECT * FROM clips WHERE accepted ORDER BY clip_id")
        if split in ("all", clip["split"])
    ]
    if not clips:
        raise InputError(f"{root}: has no accepted clip in split {split}")
    out.mkdir(parents=True, exist_ok=True)
    shards = range(0, len(clips), _CLIPS_PER_SHARD)
    for number, begin in enumerate(shards):
        _write_shard(
            dataset, out / f"clips-{number:06d}.tar", clips[begin : begin + _CLIPS_PER_SHARD]
        )
    return len(shards), len(clips)


def _write_shard(dataset: Dataset, path: Path, clips: list[dict[str, Any]]) -> None:
    temporary = path.with_suffix(".part")
    with tarfile.open(temporary, "w") as tar, TemporaryDirectory() as scratch:
        for clip in clips:
            for column, suffix in (("video_path", "mp4"), ("sound_path", "flac")):
                source = dataset.local_copy(clip[column], Path(scratch))
                _add(tar, f"{clip['clip_id']}.{suffix}", source.read_bytes())
            text = json.dumps(clip, default=str).encode()
            _add(tar, f"{clip['clip_id']}.json", text)
    temporary.replace(path)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # time 0, no owner: the same clips give the same bytes
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
