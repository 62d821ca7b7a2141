"""What was measured of a clip frame by frame, as a page draws it over and under the video."""

import math
from typing import Any

import pyarrow.compute as pc

from dawn.features.rates import FPS
from manifests.parquet import read_parquet
from manifests.store import Dataset

_TABLES = {
    "frames": ["found", "landmarks_68", "pose", "head", "eye_left", "eye_right", "blink", "mouth",
               "speech", "speaking"],
    "audio": ["loudness_db"],
}  # fmt: skip
_DIGITS = 4


def frames_of(dataset: Dataset, clip: dict[str, Any]) -> dict[str, Any]:
    """`columns[name][frame]` of a row of `clips` joined with `videos`; null where nothing is known.

    Read from the parts of the clip's own video, so that it costs what it shows.
    """
    columns: dict[str, list[Any]] = {}
    for table, names in _TABLES.items():
        part = f"{table}/{clip[f'{table}_part']}"
        there = dataset.has(part)
        for name in names:
            columns[name] = [None] * clip["frames"]
        if not there:
            continue
        with dataset.open_part(part) as file:
            wanted = ["clip_id", "frame", *names]
            rows = read_parquet(file, wanted, ("video_id", clip["video_id"]))
        for row in rows.filter(pc.equal(rows["clip_id"], clip["clip_id"])).to_pylist():
            if 0 <= row["frame"] < clip["frames"]:
                for name in names:
                    columns[name][row["frame"]] = _plain(row[name])
    pose = columns.pop("pose")
    for place, name in enumerate(("yaw", "pitch", "roll")):
        columns[name] = [row and row[place] for row in pose]
    return {"fps": FPS, "size": clip["size"], "frames": clip["frames"], "columns": columns}


def _plain(value: Any) -> Any:  # noqa: ANN401 - a cell of a table
    """JSON's: no infinity, no digits that nobody sees."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
