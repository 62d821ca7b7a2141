"""A few rounds of bad weather (`tests/storms.py`), which together meet every kind."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.storms import KINDS

ROUNDS, SEED = 5, 11


@pytest.mark.slow
def test_whatever_the_weather_nothing_is_lost_doubled_or_misreported() -> None:
    # In a process of its own: commands are its forks, and this one has threads.
    done = subprocess.run(
        [sys.executable, "-m", "tests.storms", str(ROUNDS), str(SEED)], cwd=ROOT, check=False,
        env=os.environ, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    *rounds, last = done.stdout.strip().splitlines()
    assert last.startswith(f"{ROUNDS} rounds, 0 bad")
    assert len(rounds) == ROUNDS
    assert all(kind in last for kind in KINDS)
