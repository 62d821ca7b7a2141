"""Small datasets made of rows, for tests of the tables alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.commit import NewParts, commit
from manifests.schema import AUDIO, FRAMES, schema
from manifests.store import Dataset, Session

RECIPE = {"version": 1}


def clip(video: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    """An accepted clip of four frames."""
    row: dict[str, Any] = {
        "clip_id": f"{video}-{number:07d}-0", "video_id": video, "shot": 0,
        "start_frame": number, "frames": 4, "start_s": number / 25, "duration_s": 4 / 25,
        "crop_x": 0, "crop_y": 0, "crop_side": 100, "size": 256,
        "blinks": [{"start": 1, "stop": 3}],
        "landmarks_found": 1.0, "face_px": 100.0, "other_faces": 0.0, "cut_off": 0.0,
        "same_face": None,
        "sharpness": 100.0, "brightness": 120.0, "yaw_p95": 5.0, "pitch_p95": 5.0, "voiced": 0.5,
        "agreement": None, "agreement_by": None, "agreement_offset": None,
        "still_seconds": 0.04, "repeated": 0.0, "mouth_moves": 0.05, "head_movement": 5.0,
        "head_rotation": 0.4, "hand": 0.0, "jump": 1.0, "text": None, "brisque": None,
        "hyperiqa": None, "dover": None,
        "picture_hashes": [1] * 5, "mirror_hashes": [2] * 5, "motion_curves": [0] * 8,
        "embedding": None, "voice": None, "video_path": f"media/aa/{video}-{number}.mp4",
        "sound_path": f"media/aa/{video}-{number}.flac",
        "speaker": None, "licence": None, "asked_split": None, "source_name": video,
        "identity": f"video:{video}", "split": "train", "duplicate_of": None,
        "duplicate_score": 0.0, "accepted": True, "reasons": [],
    }  # fmt: skip
    return row | changes


def decision(of: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The face-size filter's word on a clip."""
    row = {"clip_id": of["clip_id"], "video_id": of["video_id"], "filter": "face_size",
           "score": of["face_px"], "threshold": 64.0, "rule": "min", "verdict": "pass"}  # fmt: skip
    return row | changes


def frames_of(of: dict[str, Any]) -> pa.Table:
    """A clip's `frames`."""
    rows = [
        {"clip_id": of["clip_id"], "video_id": of["video_id"], "frame": i,
         "time_s": (of["start_frame"] + i) / 25, "found": True,
         "landmarks": np.zeros(478 * 3).tolist(), "landmarks_68": [0.0] * 136, "pose": [0.0] * 7,
         "head": [0.0] * 3, "eye_left": 0.3, "eye_right": 0.3, "blink": False, "mouth": 0.1,
         "face_box": [0.0] * 4}
        for i in range(of["frames"])
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema(FRAMES))


def audio_of(of: dict[str, Any]) -> pa.Table:
    """A clip's `audio`."""
    rows = [
        {"clip_id": of["clip_id"], "video_id": of["video_id"], "frame": i, "loudness_db": -20.0,
         "features": [0.0] * 320}
        for i in range(of["frames"])
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema(AUDIO))


def add(
    session: Session,
    video: str,
    clips: list[dict[str, Any]] | None = None,
    key: str = "k1",
    old: dict[str, Any] | None = None,
    decisions: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Commit a video with its clips; returns its row."""
    clips = [clip(video)] if clips is None else clips
    dataset = session.dataset
    row = {
        "video_id": video, "sources": [f"/{video}.mp4"], "labels": [],
        "status": "ok" if any(c["accepted"] for c in clips) else "rejected",
        "reason": None if any(c["accepted"] for c in clips) else "no_face",
        "clips_total": len(clips), "clips_accepted": sum(c["accepted"] for c in clips),
        "extract_key": f"{key}extract", "audio_key": f"{key}audio000", "judge_key": f"{key}judge00",
        "split_key": "s", "duration_s": 1.0,
        "step_seconds": [{"step": "total", "seconds": 2.0}],
    }  # fmt: skip
    staged = {}
    if clips:
        for name, make in (("frames", frames_of), ("audio", audio_of)):
            staged[name] = f".staged/{video}/{name}.parquet"
            table = pa.concat_tables([make(c) for c in clips])
            dataset.publish_table(table, staged[name], session.scratch)
        for path in {c[k] for c in clips for k in ("video_path", "sound_path")}:
            media = session.scratch / "media"
            media.write_bytes(b"media")
            dataset.publish(media, path)
    said = [decision(c) for c in clips] if decisions is None else decisions
    new = NewParts(clips, said, staged)
    row = commit(session, row, new, old)
    dataset.delete_folder(".staged")
    return row


@contextmanager
def written(root: str) -> Iterator[Session]:
    """A dataset at `root`, held for writing."""
    dataset = Dataset(root)
    dataset.ensure(RECIPE)
    with dataset.writing() as session:
        yield session
