"""Folders of `dawn bench-system` with given times."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.speed.runs import INFO as INFO_NAME
from eval.speed.runs import TABLE
from manifests.runs import RunFolder

INFO: dict[str, Any] = {
    "system": "good", "device": "NVIDIA H100", "command": ["python", "/home/me/run.py", "{out}"],
    "inputs": {
        "image": "face.png", "image_sha256": "a", "audio": "voice.wav", "audio_sha256": "b",
    },
    "versions": {"dawn": "0", "nvidia_driver": "555"}, "processor": "EPYC, 16 processors",
    "gpus": "NVIDIA H100", "time_limit_s": 60.0, "price_per_hour": None,
}  # fmt: skip


def speed_rows(
    fixed: float,
    per_second: float,
    *,
    spread: float = 0.0,
    lengths: Sequence[float] = (2, 8),
    repeats: int = 3,
    seed: int = 0,
    **more: Any,
) -> list[dict[str, Any]]:
    """Rows of `speed_runs`: time = fixed + per_second x seconds, with normal noise."""
    random = np.random.default_rng(seed)
    return [
        {
            "system": "good", "item": f"{length:g}s-{number}", "voice_s": float(length),
            "number": number, "device": "NVIDIA H100", "started_at": "2026-01-01T00:00:00+00:00",
            "others": 0.0, "wall_s": fixed + per_second * length + random.normal(0, spread),
            "cpu_s": 1.0, "first_frame_s": fixed, "frames": round(25 * length), "fps": 25.0,
            "width": 64, "height": 64, "video_s": float(length), "peak_memory_bytes": 2**30,
            "peak_gpu_memory_bytes": 2**31, "status": "ok", **more,
        }
        for number in range(1, repeats + 1)
        for length in lengths
    ]  # fmt: skip


def write_speed(
    path: Path, system: str, fixed: float, per_second: float, *, spread: float = 0.05, **info: Any
) -> str:
    folder = RunFolder(str(path), INFO_NAME)
    told = {**INFO, "system": system, **info}
    folder.write_info(told)
    for row in speed_rows(fixed, per_second, spread=spread, seed=len(system)):
        row |= {"system": system, "device": told["device"]}
        folder.write(TABLE, row["item"], [row])
    return str(path)
