"""Speed is measured where little is installed: the path needs no more than it says."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.streaming import late, steady_rate
from tests.conftest import ROOT

ABSENT = (
    *("ray", "duckdb", "mediapipe", "pandas", "fastapi", "starlette", "uvicorn", "pydantic"),
    *("yaml", "PIL", "rich", "typer", "onnxruntime", "skimage", "matplotlib", "transformers"),
    *("torchvision", "torchmetrics", "pytorch_fid", "silero_vad", "syncnet_python", "jax"),
    *("python_speech_features", "tensorboard"),
)
BARE = f"""if True:
    import sys
    sys.modules.update(dict.fromkeys({ABSENT}))  # importing one fails
    import argparse, json, tempfile
    from pathlib import Path
    from benchmarks import generate, streaming
    with tempfile.TemporaryDirectory() as name:
        found = streaming.measure(
            Path(name), 0.8, "cpu", "float32", preset="tiny", rounds=2, whole=1, sessions=(2,),
            steps=1, first_stretch=9, stretch=16,
        )
        options = argparse.Namespace(
            threads=1, device="cpu", steps=1, stretch=80, dtype="float32", preset="tiny"
        )
        cost = generate.measure(Path(name), 0.4, options)
    print(json.dumps([found, cost.frames]))
"""


def test_generation_and_streaming_are_measured_with_little_installed() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    found, frames = json.loads(answer.stdout.splitlines()[-1])
    assert frames == 10
    assert (found["frames"], found["size"], found["overlap"]) == (20, 64, 6)
    assert len(found["first_frame_s"]) == 2
    assert 0 < found["p50"] <= found["p95"]
    assert found["first_bytes_s"] > 0
    assert found["steady_rate"] > 0
    assert found["peak_bytes"] > 1e8
    assert [row["count"] for row in found["sessions"]] == [2]


@pytest.mark.parametrize(
    ("times", "count"),
    [([1.0], 0), ([1.0, 1.0, 1.0], 0), ([1.0, 1.03, 1.09, 1.09], 1), ([0, 9, 9, 9], 3)],
)
def test_frames_are_late_when_their_viewer_would_wait(times: list[float], count: int) -> None:
    assert late(times) == count


def test_the_steady_rate_leaves_out_what_came_at_once() -> None:
    times = [0.5] * 20 + list(0.5 + np.arange(1, 101) / 50)
    assert steady_rate(times, 20) == pytest.approx(50)
