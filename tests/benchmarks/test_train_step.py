"""Training is measured where little is installed."""

import json
import subprocess
import sys

import pytest

from tests.benchmarks.forked import ROOT

ABSENT = ("ray", "duckdb", "mediapipe", "pandas", "torchvision", "tensorboard", "typer", "rich")
CODE = f"""
import json, sys
for name in {ABSENT!r}:
    sys.modules[name] = None
from benchmarks.train_step import measure_stage
import benchmarks.train
for stage, precision, changes in json.loads(sys.argv[1]):
    found = measure_stage(
        stage, "tiny", 2, precision, "cpu", 0.05, clips=2, frames=15, changes=changes
    )
    print(json.dumps(found))
"""


def test_it_needs_neither_ray_nor_a_dataset() -> None:
    cases = [
        ("lfg", "float32", {}),
        ("pbnet", "float32", {"frames": 20}),
        ("a2v", "bfloat16", {"clips": {"frames_min": 3, "frames_max": 3}}),
    ]
    answer = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(cases)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    found = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    assert [[one["stage"], one["precision"]] for one in found] == [list(case[:2]) for case in cases]
    for one in found:
        assert one["steps"] >= 1
        assert one["samples_per_s"] == pytest.approx(2 * one["steps_per_s"])
        assert 0 <= one["wait_share"] <= 1
        assert one["peak_mib"] > 50
