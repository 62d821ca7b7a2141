"""What training reads of a dataset: single frames of clips and the features of their frames."""

import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dawn.features.rates import FPS
from dawn.training.boxes import MOUTH, box_of, eye_boxes
from manifests.parquet import read_parquet
from manifests.runs import LEARNT
from manifests.schema import schema
from manifests.store import Dataset

POSE = 6
"""Yaw, pitch, roll, scale, tx, ty: the seventh value, tz, is dropped officially."""
_GOP = FPS
"""Clips hold a key frame a second: no frame is further than this from one."""


class ClipError(Exception):
    """A clip that cannot be used, by name, and why."""


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip of the dataset, as far as training needs to know it."""

    clip_id: str
    frames: int
    size: int
    video: str
    frames_part: str
    audio_part: str


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """A clip's features, frame by frame.

    pose (T, 6) in degrees, 3DDFA's scale and pixels; eyes (T, 2) openness; audio (T, A); the
    boxes face and mouth (T, 4) and eye_boxes (T, 2, 4) are x_min, x_max, y_min, y_max as shares
    of the crop's side.
    """

    pose: NDArray[np.float32]
    eyes: NDArray[np.float32]
    audio: NDArray[np.float32]
    face: NDArray[np.float32]
    mouth: NDArray[np.float32]
    eye_boxes: NDArray[np.float32]


class ClipTable(Sequence[ClipRow]):
    """The accepted clips of a split, by clip id; an Arrow table, so that millions fit."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        if isinstance(index, slice):
            return ClipTable(self._table.take(list(range(*index.indices(len(self))))))
        return ClipRow(**self._table.slice(int(index), 1).to_pylist()[0])


def clips_of(dataset: Dataset, split: str) -> ClipTable:
    """The accepted clips of a split. Raises InputError when the folder is no dataset."""
    from manifests.catalog import query  # not in loader processes, which need no DuckDB

    dataset.info()
    wanted = split.replace("'", "''")
    return ClipTable(
        query(
            dataset,
            "SELECT clip_id, frames, size, video_path AS video, frames_part, audio_part "  # noqa: S608
            "FROM clips JOIN videos USING (video_id) "
            f"WHERE accepted AND split = '{wanted}' ORDER BY clip_id",
        )
    )


def content_of(dataset: Dataset) -> dict[str, Any]:
    """How many clips each of the splits `train` and `val` has, and a hash of what they are.

    Hashed are the clips and the keys of what made them, not the parts that hold them: a dataset
    that is compacted or moved stays the same.
    """
    from manifests.catalog import rows

    found = rows(
        dataset,
        "SELECT split, count(*) AS clips, sha256(string_agg(concat_ws(' ', clip_id, frames, size, "
        "extract_key, audio_key), chr(10) ORDER BY clip_id)) AS content "
        "FROM clips JOIN videos USING (video_id) WHERE accepted AND split IN ('train', 'val') "
        "GROUP BY split ORDER BY split",
    )
    return {row["split"]: {"clips": row["clips"], "sha256": row["content"][:16]} for row in found}


def clip_list(dataset: Dataset) -> pa.Table:
    """The clips that training is given, with their splits: `LEARNT` of manifests.runs."""
    from manifests.catalog import query

    found = query(
        dataset,
        "SELECT clip_id, split FROM clips WHERE accepted AND split IN ('train', 'val') "
        "ORDER BY clip_id",
    )
    return found.cast(schema(LEARNT))


class ClipReader:
    """Reads clips of one dataset; each process has its own.

    Frames come at `size` pixels. The latest ones are kept, up to `cache_bytes`: a clip is met
    again sooner than its neighbours, and decoding is most of a sample's cost.
    """

    def __init__(self, root: str, size: int, cache_bytes: int = 128 * 2**20) -> None:
        self._dataset = Dataset(root)
        self._size = size
        self._left = cache_bytes
        self._frames: OrderedDict[tuple[str, int], NDArray[np.uint8]] = OrderedDict()
        self._features: OrderedDict[str, ClipFeatures] = OrderedDict()
        self._scratch = tempfile.TemporaryDirectory(prefix="dawn-clips-")

    def frames(self, clip: ClipRow, indices: Sequence[int]) -> NDArray[np.uint8]:
        """RGB (N, size, size, 3) of the frames asked for, in their order.

        Raises ClipError when the media is missing, corrupt or shorter than the table says.
        """
        missing = sorted({i for i in indices if (clip.clip_id, i) not in self._frames})
        found = {i: self._frames[clip.clip_id, i] for i in indices if i not in missing}
        if missing:
            path = self._media(clip)
            try:
                for index, frame in decode_frames(path, missing, self._size):
                    found[index] = frame
                    self._keep((clip.clip_id, index), frame)
            except (av.error.FFmpegError, OSError) as error:
                raise ClipError(f"{path}: cannot be decoded ({error})") from error
        lost = [i for i in missing if i not in found]
        if lost:
            raise ClipError(f"{clip.video}: has no frame {lost[0]} of {clip.frames}")
        return np.stack([found[i] for i in indices])

    def features(self, clip: ClipRow) -> ClipFeatures:
        """All frames' features. Raises ClipError when a part is missing or of another length."""
        if clip.clip_id in self._features:
            self._features.move_to_end(clip.clip_id)
            return self._features[clip.clip_id]
        frames = self._rows(clip, f"frames/{clip.frames_part}", _FRAME_COLUMNS)
        audio = self._rows(clip, f"audio/{clip.audio_part}", ["features"])
        landmarks = _array(frames["landmarks_68"]).reshape(clip.frames, 68, 2) / clip.size
        features = ClipFeatures(
            pose=_array(frames["pose"])[:, :POSE],
            eyes=np.stack([_array(frames["eye_left"]), _array(frames["eye_right"])], axis=1),
            audio=_array(audio["features"]),
            face=_array(frames["face_box"]) / clip.size,
            mouth=box_of(landmarks[:, MOUTH]),
            eye_boxes=eye_boxes(landmarks),
        )
        self._features[clip.clip_id] = features
        while len(self._features) > _FEATURES_KEPT:
            self._features.popitem(last=False)
        return features

    def _media(self, clip: ClipRow) -> Path:
        if not self._dataset.has(clip.video):
            raise ClipError(f"{self._dataset.uri}/{clip.video}: is missing")
        return self._dataset.local_copy(clip.video, Path(self._scratch.name))

    def _rows(self, clip: ClipRow, part: str, columns: list[str]) -> pa.Table:
        try:
            with self._dataset.open_part(part) as file:
                table = read_parquet(file, [*columns, "frame"], ("clip_id", clip.clip_id))
        except (OSError, pa.ArrowException) as error:
            raise ClipError(f"{self._dataset.uri}/{part}: cannot be read ({error})") from error
        if table.num_rows != clip.frames:
            detail = f"has {table.num_rows} rows of {clip.clip_id}, not {clip.frames}"
            raise ClipError(f"{self._dataset.uri}/{part}: {detail}")
        return table.sort_by("frame")

    def _keep(self, key: tuple[str, int], frame: NDArray[np.uint8]) -> None:
        self._frames[key] = frame
        self._left -= frame.nbytes
        while self._left < 0:
            self._left += self._frames.popitem(last=False)[1].nbytes


_FRAME_COLUMNS = ["pose", "eye_left", "eye_right", "face_box", "landmarks_68"]
_FEATURES_KEPT = 256


def decode_frames(
    path: Path, indices: Sequence[int], size: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (i, RGB (size, size, 3)) of a clip that ingest wrote, for ascending frame numbers.

    Decodes from the key frame before each, at most a second of frames. Raises FFmpegError.
    """
    converter = VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
        wanted = iter(indices)
        index = next(wanted, None)
        at = -_GOP
        while index is not None:
            if not at < index <= at + _GOP:
                container.seek(round(index / FPS / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                at = round(float(frame.time) * FPS)
                if at < index:
                    continue
                if at > index:
                    return
                rgb = converter.reformat(frame, format="rgb24", threads=1)
                yield index, _scaled(np.asarray(rgb.to_ndarray(), np.uint8), size)
                index = next(wanted, None)
                if index is None or index > at + _GOP:
                    break
            else:
                return


def _scaled(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if picture.shape[0] == size:
        return picture
    how = cv2.INTER_AREA if picture.shape[0] > size else cv2.INTER_CUBIC
    return cv2.resize(picture, (size, size), interpolation=how).astype(np.uint8, copy=False)


def _array(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A column of numbers or of fixed-size lists, (T,) or (T, N)."""
    flat = column.combine_chunks()
    values = flat.flatten() if pa.types.is_fixed_size_list(flat.type) else flat
    result = values.to_numpy(zero_copy_only=False).astype(np.float32)
    return result.reshape(len(flat), -1) if values is not flat else result


def audio_kind(dataset: Dataset) -> tuple[str, int]:
    """Which audio features the dataset holds, and how many values a frame: ("log_mel", 320)."""
    weights = dataset.info()["recipe"].get("weights", {})
    return ("hubert", 1024) if "hubert" in weights else ("log_mel", 320)


def require_clips(dataset: Dataset, split: str, least: int = 1) -> ClipTable:
    """The accepted clips of a split. Raises InputError when there are too few to train on."""
    clips = clips_of(dataset, split)
    if len(clips) < least:
        from manifests.split_counts import too_few_to_train  # it needs DuckDB, loaders do not

        raise too_few_to_train(dataset, len(clips), split, least)
    return clips
