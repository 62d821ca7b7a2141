"""Runs and results: folders of Parquet that generation, evaluation and training write.

A folder holds one info file (`run.json`, `results.json`), its tables as folders of small parts,
and whatever the parts name (videos). A part is written under a temporary name and moved into
place whole: **the part is the commit**. Its name is a hash of the item it is about, so writing an
item again replaces it and never doubles it.
"""

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from manifests.atomic_write import only_writer_at, publish_file
from manifests.config import diff
from manifests.errors import InputError
from manifests.file_names import is_hidden
from manifests.location import Place
from manifests.parquet import read_parquet, write_parquet
from manifests.schema import Column, schema
from manifests.small_files import each_opened

RUN_FORMAT = 1

_TEXT, _INT, _F64 = pa.string(), pa.int32(), pa.float64()
_CURVE = pa.list_(pa.float32())

_SYSTEM = Column("system", _TEXT, "name of what made the videos")
_PROTOCOL = Column("protocol_hash", _TEXT, "hash of the protocol card")
_CONDITIONS = Column("conditions_hash", _TEXT, "hash of all that the numbers are made under")
_CLIP = Column("clip_id", _TEXT, "clip of the dataset, or name of the pair")
_SPEAKER = Column("speaker", _TEXT, "whose face it is", nullable=True)
_REASON = Column("reason", _TEXT, "why there is no number, or no full one", nullable=True)

GENERATIONS = (
    Column("run", _TEXT, "name of the run"),
    _SYSTEM,
    Column("item", _TEXT, "the clip, or the name given in a list"),
    Column("clip_id", _TEXT, "clip of the dataset; null for lists", nullable=True),
    Column("video_id", _TEXT, "source video of the clip", nullable=True),
    _SPEAKER,
    Column("checkpoint", _TEXT, "hash of the weights; null for baselines", nullable=True),
    Column("dataset_hash", _TEXT, "hash of the dataset's recipe", nullable=True),
    Column("settings_hash", _TEXT, "hash of the sampling settings"),
    Column("seed", pa.int64(), "seed of this item"),
    Column("steps", _INT, "denoising steps", nullable=True),
    Column("guidance", _F64, "scale of classifier-free guidance", nullable=True),
    Column("eta", _F64, "share of fresh noise in each step", nullable=True),
    Column("window", _INT, "local attention window", "frames", nullable=True),
    Column("device", _TEXT, "what it ran on"),
    Column("dtype", _TEXT, "number format of the networks"),
    Column("video", _TEXT, "path inside the run's folder; null when it failed", nullable=True),
    Column("image", _TEXT, "source image", nullable=True),
    Column("face", _INT, "which of its faces, by size; null: the largest", nullable=True),
    Column("audio", _TEXT, "source sound", nullable=True),
    Column("image_sha256", _TEXT, "of the file that the image is of", nullable=True),
    Column("audio_sha256", _TEXT, "of the file that the sound is of", nullable=True),
    Column("signed_by", _TEXT, "whose content credentials it carries; null: none", nullable=True),
    Column("frames", _INT, "frames of the video", "1/25 s", nullable=True),
    Column("size", _INT, "width and height", "px", nullable=True),
    Column("duration_s", _F64, "of the video", "s", nullable=True),
    Column("wall_s", _F64, "time it took, models loaded", "s", nullable=True),
    Column("network_s", _F64, "of it, in PBNet and the diffusion network", "s", nullable=True),
    Column("render_s", _F64, "of it, rendering", "s", nullable=True),
    Column("encode_s", _F64, "encoding, in a thread beside the rest", "s", nullable=True),
    Column("real_time_factor", _F64, "wall_s / duration_s", nullable=True),
    Column("peak_memory_bytes", pa.int64(), "of the worker so far", "byte", nullable=True),
    Column("status", _TEXT, "ok or failed"),
    Column("reason", _TEXT, "code of what failed", nullable=True),
    Column("detail", _TEXT, "the same for people", nullable=True),
)

METRICS = (
    _SYSTEM,
    Column("metric", _TEXT, "name of the metric"),
    replace(_CONDITIONS, nullable=True),
    Column("clip_id", _TEXT, "the clip; null: of the whole set", nullable=True),
    _SPEAKER,
    Column("value", _F64, "of the generated video; null when there is none", nullable=True),
    Column("reference", _F64, "the same measure of the real clip", nullable=True),
    Column("n", _INT, "items behind the number"),
    Column("n_total", _INT, "items there were"),
    Column("status", _TEXT, "paper, own, proxy, unavailable or excluded"),
    _REASON,
)

FEATURES = (
    _SYSTEM,
    Column("feature", _TEXT, "what was measured, such as inception_pool3"),
    _CONDITIONS,
    _CLIP,
    Column("side", _TEXT, "generated or reference"),
    Column("shape", pa.list_(_INT), "rows, columns"),
    Column("values", _CURVE, "row by row"),
)

CLIPS = (
    _SYSTEM,
    _PROTOCOL,
    _CLIP,
    _SPEAKER,
    Column("split", _TEXT, "of the dataset", nullable=True),
    Column("video", _TEXT, "generated video, as given", nullable=True),
    Column("reference", _TEXT, "real video, as given", nullable=True),
    Column("frames", _INT, "of the generated video", "1/25 s", nullable=True),
    Column("reference_frames", _INT, "of the real video", "1/25 s", nullable=True),
    Column("duration_s", _F64, "of the generated video", "s", nullable=True),
    Column("yaw_p95", _F64, "of the real video", "degree", nullable=True),
    Column("pitch_p95", _F64, "of the real video", "degree", nullable=True),
    Column("real_time_factor", _F64, "of its generation", nullable=True),
    Column("credentials", pa.bool_(), "the video carries some; not checked", nullable=True),
    Column(
        "inputs", _TEXT, "sizes and times of the files: others are measured again", nullable=True
    ),
    Column("status", _TEXT, "ok, excluded or failed"),
    _REASON,
    Column("mouth_generated", _CURVE, "mouth opening, frame by frame", nullable=True),
    Column("mouth_reference", _CURVE, "the same of the real clip", nullable=True),
    Column("loudness", _CURVE, "of the sound, frame by frame", nullable=True),
    Column("csim", _CURVE, "identity, sampled over time", nullable=True),
)

TRAINING = (
    Column("run", _TEXT, "name of the run, with its configuration's hash"),
    Column("stage", _TEXT, "lfg, pbnet or a2v"),
    Column("step", pa.int64(), "optimiser step"),
    Column("name", _TEXT, "what was measured"),
    Column("value", _F64, "the number"),
    Column("wall_s", _F64, "since training began", "s"),
)

LEARNT = (
    Column("clip_id", _TEXT, "clip of the dataset that a run of training was given"),
    Column("split", _TEXT, "train, or val: which checkpoint is best was judged by it"),
)

SPEED_RUNS = (
    _SYSTEM,
    Column("item", _TEXT, "length of the voice and number of the run"),
    Column("voice_s", _F64, "length of the voice", "s"),
    Column("number", _INT, "of the run at this length, from 1; 0: a warm-up, which counts nowhere"),
    Column("device", _TEXT, "what it ran on"),
    Column("started_at", _TEXT, "UTC, ISO 8601"),
    Column("others", _F64, "share of all processors that other programs took", nullable=True),
    Column("wall_s", _F64, "from the command's start to its end", "s"),
    Column("cpu_s", _F64, "processor time of it and what it waited for", "s", nullable=True),
    Column("first_frame_s", _F64, "until the file had a frame to show", "s", nullable=True),
    Column("first_frame_reason", _TEXT, "why there is none", nullable=True),
    Column("frames", _INT, "decoded from the video", nullable=True),
    Column("fps", _F64, "of the video", "1/s", nullable=True),
    Column("width", _INT, "of the video", "px", nullable=True),
    Column("height", _INT, "of the video", "px", nullable=True),
    Column("video_s", _F64, "frames / fps", "s", nullable=True),
    Column("peak_memory_bytes", pa.int64(), "of all its processes together", "byte", nullable=True),
    Column("memory_reason", _TEXT, "why there is none", nullable=True),
    Column("peak_gpu_memory_bytes", pa.int64(), "of all GPUs, above before", "byte", nullable=True),
    Column("gpu_memory_reason", _TEXT, "why there is none", nullable=True),
    Column("status", _TEXT, "ok or failed"),
    Column("reason", _TEXT, "code of what failed", nullable=True),
    Column("detail", _TEXT, "the same for people", nullable=True),
)

RUN_TABLES: Mapping[str, tuple[Column, ...]] = {
    "generations": GENERATIONS,
    "metrics": METRICS,
    "features": FEATURES,
    "clips": CLIPS,
    "training": TRAINING,
    "speed_runs": SPEED_RUNS,
}

_SCRATCH = ".tmp-"
_SAFE = re.compile(r"[^A-Za-z0-9_-]+")


def item_name(item: str) -> str:
    """A file name for an item: readable, safe on every disk, and never shared by two items.

    Names from users may hold anything; the hash of the whole keeps apart what looks alike.
    """
    digest = hashlib.sha256(item.encode()).hexdigest()[:12]
    return f"{_SAFE.sub('_', item).strip('_')[:48]}-{digest}".lstrip("-")


class RunFolder:
    """A folder of parts with an info file named `info_name`; `root` is a path or a URI."""

    def __init__(self, root: str, info_name: str) -> None:
        place = Place.of(root)
        self.fs, self.path = place.fs, place.path
        self.local, self.uri = place.local, place.uri
        self.info_name = info_name

    def at(self, name: str) -> str:
        """The path of a file inside the folder."""
        return f"{self.path}/{name}"

    @property
    def exists(self) -> bool:
        """Whether the folder holds its info file."""
        return bool(self.fs.exists(self.at(self.info_name)))

    def info(self) -> dict[str, Any]:
        """The info file. Raises InputError when there is no usable one."""
        try:
            info = json.loads(self.fs.cat_file(self.at(self.info_name)))
            newer = int(info["format"]) > RUN_FORMAT
        except FileNotFoundError as error:
            raise InputError(
                f"{self.uri}: holds no {self.info_name}; give the folder that the command made"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.uri}/{self.info_name}: cannot be read ({error}); make the folder again"
            ) from error
        if newer:
            raise InputError(
                f"{self.uri}: was made by a newer version (format {info['format']}); install it"
            )
        return cast("dict[str, Any]", info)

    def ensure(self, info: Mapping[str, Any], fixed: Iterable[str]) -> None:
        """Write the info file, or check that the one there agrees in the `fixed` keys.

        Raises InputError with the difference when the folder belongs to another run.
        """
        if self.exists:
            there = self.info()
            keys = list(fixed)
            changes = diff({k: there.get(k) for k in keys}, {k: info.get(k) for k in keys})
            if changes:
                raise InputError(
                    f"{self.uri}: was made with other settings ({'; '.join(changes)}); "
                    "give another folder, or the same settings to go on"
                )
            return
        self.write_info(info)

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Replace the info file, whole."""
        text = json.dumps({"format": RUN_FORMAT, **info}, indent=2, sort_keys=True) + "\n"
        self.write_text(self.info_name, text)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder as its only writer, swept of what a killed one left.

        Workers that write for the holder do not take the lock. Raises InputError while another
        process holds it.
        """
        if self.local:
            self._make()
        with only_writer_at(self.fs, self.local, self.path, self.uri):
            for left in Path(self.path).glob(f"{_SCRATCH}*") if self.local else ():
                shutil.rmtree(left, ignore_errors=True)
            yield

    def _make(self) -> None:
        try:
            Path(self.path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be created: {error.strerror}") from error

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder, on the same disk where there is one."""
        if self.local:
            self._make()
        parent = self.path if self.local else None
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=parent) as folder:
            yield Path(folder)

    def publish(self, temporary: Path, name: str) -> None:
        """Move a finished local file into place, whole, replacing what was there."""
        publish_file(self.fs, self.local, temporary, self.at(name))

    def write(self, table: str, item: str, rows: list[dict[str, Any]]) -> None:
        """Commit the rows of one item, replacing what was committed of it."""
        with self.scratch() as scratch:
            temporary = scratch / "part.parquet"
            write_parquet(temporary, pa.Table.from_pylist(rows, schema(RUN_TABLES[table])))
            self.publish(temporary, f"{table}/{item_name(item)}.parquet")

    def has(self, table: str, item: str) -> bool:
        """Whether the item's rows are committed."""
        return bool(self.fs.exists(self.at(f"{table}/{item_name(item)}.parquet")))

    def read_item(self, table: str, item: str) -> pa.Table:
        """The committed rows of one item."""
        with self.fs.open(self.at(f"{table}/{item_name(item)}.parquet"), "rb") as file:
            return read_parquet(file)

    def remove(self, table: str, item: str) -> None:
        """Take an item's rows out, if there are any."""
        if self.has(table, item):
            self.fs.rm_file(self.at(f"{table}/{item_name(item)}.parquet"))

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file inside the folder, whole."""
        with self.scratch() as scratch:
            temporary = scratch / "text"
            temporary.write_text(text, encoding="utf-8")
            self.publish(temporary, name)

    def parts(self, table: str) -> list[str]:
        """Sorted paths of the table's parts."""
        found = (name for name in self.names(table) if not is_hidden(name))
        return sorted(self.at(f"{table}/{name}") for name in found if name.endswith(".parquet"))

    def names(self, folder: str) -> set[str]:
        """Of the entries of a folder inside it; none where it is not there."""
        try:
            entries = self.fs.ls(self.at(folder), detail=False, refresh=True)
        except FileNotFoundError:
            return set()
        return {entry.rstrip("/").rsplit("/", 1)[-1] for entry in entries}

    def batches(self, table: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The table part by part, for what is larger than memory. Columns that an older version
        did not write are null.
        """
        for file in each_opened(self.fs, self.parts(table)):
            yield read_parquet(file, columns, whole=schema(RUN_TABLES[table]))

    def read(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """The whole table."""
        whole = schema(RUN_TABLES[table])
        if columns is not None:
            whole = pa.schema([whole.field(name) for name in columns])
        tables = list(self.batches(table, columns))
        if not tables:
            return whole.empty_table()
        # parts of an older version lack columns that were added since
        return pa.concat_tables(tables, promote_options="default")
