"""Clips as rows of the dataset's tables."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dawn.curation.extraction import Clip
from dawn.features.faces.landmarks import to_68
from dawn.features.rates import FPS
from dawn.features.sound.mel import loudness_db
from manifests.content_ids import clip_id
from manifests.names import label_text
from manifests.schema import EXTRACTED, FRAMES, audio_columns, schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a source list says of a file, or of a part of it. Texts are kept in one spelling."""

    start: int = 0
    """First frame at 25 fps that the label covers."""
    stop: int | None = None
    speaker: str | None = None
    licence: str | None = None
    split: str | None = None
    extra: tuple[tuple[str, str, str], ...] = ()
    """Name, DuckDB type and value of each further column of the list that is not empty there."""

    def __post_init__(self) -> None:
        for name in ("speaker", "licence", "split"):
            object.__setattr__(self, name, label_text(getattr(self, name)))

    def joined(self, other: "Label") -> "Label | None":
        """What both say, of one and the same range; None where they disagree."""
        texts: dict[str, Any] = {}
        for name in ("speaker", "licence", "split"):
            said = {getattr(self, name), getattr(other, name)} - {None}
            if len(said) > 1:
                return None
            texts[name] = next(iter(said), None)
        extra = {*self.extra, *other.extra}
        if len({name.lower() for name, _, _ in extra}) < len(extra):
            return None
        return replace(self, **texts, extra=tuple(sorted(extra)))

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Label":
        """From an entry of `videos.labels`."""
        extra = ((e["name"], e["type"], e["value"]) for e in row.get("extra") or ())
        return cls(**row | {"extra": tuple(extra)})

    def as_row(self) -> dict[str, Any]:
        """As an entry of `videos.labels`."""
        fields = ("start", "stop", "speaker", "licence", "split")
        return {name: getattr(self, name) for name in fields} | {"extra": self.extra_row()}

    def extra_row(self) -> list[dict[str, str]]:
        """As `clips.extra`."""
        return [{"name": n, "type": kind, "value": value} for n, kind, value in self.extra]

    def covers(self, frame: int) -> bool:
        """Whether the label holds for that frame."""
        return self.start <= frame and (self.stop is None or frame < self.stop)


def clip_row(
    video: str, clip: Clip, video_path: str, sound_path: str, networks: dict[str, object]
) -> dict[str, object]:
    """A clip's row of `clips` before filters and splits; `networks` is what those measured."""
    return {
        "clip_id": clip_id(video, clip.start, clip.track),
        "video_id": video,
        "shot": clip.shot,
        "start_frame": clip.start,
        "frames": clip.frames,
        "start_s": clip.start / FPS,
        "duration_s": clip.frames / FPS,
        "crop_x": clip.square.x,
        "crop_y": clip.square.y,
        "crop_side": clip.square.side,
        "size": clip.size,
        "blinks": [{"start": a, "stop": b} for a, b in clip.blinks],
        **{column.name: None for column in EXTRACTED if column.nullable},
        **clip.measures,
        "picture_hashes": clip.picture_hashes,
        "mirror_hashes": clip.mirror_hashes,
        "motion_curves": clip.motion_curves.ravel().tolist(),
        "video_path": video_path,
        "sound_path": sound_path,
        **networks,
    }


def clips_table(rows: list[dict[str, object]]) -> pa.Table:
    """Rows of `clip_row` as a table, in the order of their ids."""
    rows = sorted(rows, key=lambda row: str(row["clip_id"]))
    return pa.Table.from_pylist(rows, schema(EXTRACTED))


def frames_table(video: str, clip: Clip) -> pa.Table:
    """A clip's rows of `frames`."""
    count = clip.frames
    blinking = np.zeros(count, bool)
    for start, stop in clip.blinks:
        blinking[start:stop] = True
    series = (clip.speech, clip.speaking)
    columns = [
        *_keys(video, clip, count),
        pa.array((clip.start + np.arange(count)) / FPS),
        pa.array(clip.found),
        fixed_lists(clip.landmarks.reshape(count, -1)),
        fixed_lists(to_68(clip.landmarks)[..., :2].reshape(count, -1)),
        fixed_lists(clip.pose),
        fixed_lists(clip.head),
        pa.array(clip.eyes[:, 0]),
        pa.array(clip.eyes[:, 1]),
        pa.array(blinking),
        pa.array(clip.mouth),
        fixed_lists(clip.boxes),
        *(pa.nulls(count, pa.float32()) if s is None else pa.array(s) for s in series),
    ]
    return pa.Table.from_arrays(columns, schema=schema(FRAMES))


def audio_table(
    video: str, clip: str, samples: NDArray[np.float32], features: NDArray[np.float32]
) -> pa.Table:
    """A clip's rows of `audio`: (T * 640,) samples and (T, D) features."""
    count = len(features)
    columns = [
        pa.array([clip] * count),
        pa.array([video] * count),
        pa.array(np.arange(count, dtype=np.int32)),
        pa.array(loudness_db(samples)),
        fixed_lists(features),
    ]
    return pa.Table.from_arrays(columns, schema=schema(audio_columns(features.shape[1])))


def fixed_lists(values: NDArray[np.float32]) -> pa.Array:
    """(T, N) float32 as T fixed-size lists."""
    item = pa.field("item", pa.float32(), nullable=False)
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(item, values.shape[1]))


def _keys(video: str, clip: Clip, count: int) -> list[pa.Array]:
    return [
        pa.array([clip_id(video, clip.start, clip.track)] * count),
        pa.array([video] * count),
        pa.array(np.arange(count, dtype=np.int32)),
    ]
