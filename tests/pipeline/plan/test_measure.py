"""A trial of two small videos, and a plan from it, as a user does it."""

import os
import re
from pathlib import Path

import pytest

from manifests.location import Place
from pipeline.plan.costs import read_costs
from pipeline.plan.meter import metered
from tests.conftest import Dawn
from tests.hostile import Film, faces


def test_a_meter_tells_work_from_bytes_and_requests(tmp_path: Path, bucket: str) -> None:
    place = Place.of(f"{bucket}/a")
    (tmp_path / "in").write_bytes(os.urandom(300_000))
    with metered() as usage:
        (tmp_path / "out").write_bytes((tmp_path / "in").read_bytes())
        sum(i * i for i in range(10**6))
    assert 300_000 <= usage.read < 400_000
    assert 300_000 <= usage.written < 400_000
    assert usage.took.cpu_s > 0.01
    assert usage.requests == 0
    with metered() as usage:
        place.fs.pipe_file(place.path, b"x")
        place.fs.cat_file(place.path)
    assert usage.requests in (2, 3), "PUT, GET, and s3fs may ask for the size"


def test_a_trial_and_its_plan(
    tmp_path: Path, dawn: Dawn, in_ray_session: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", in_ray_session["RAY_ADDRESS"])
    films = [tmp_path / f"{name}.mp4" for name in "ab"]
    for number, film in enumerate(films):
        Film(film).pictures(faces(30 + 5 * number)).sound(1.4).close()
    costs, settings = tmp_path / "costs.json", tmp_path / "ingest.yaml"
    settings.write_text("use_weights: false\nfilters: {min_face_px: 40}\n")
    done = dawn("plan", "--measure", *films, "--costs", costs, "--config", settings,
                "--hours", 2, "--workers", 2, "--price", 0.05)  # fmt: skip
    assert done.returncode == 0, done.stderr
    stage = read_costs(costs).stages["ingest"]
    assert [item.name for item in stage.items] == ["a.mp4", "b.mp4"]
    assert [item.seconds for item in stage.items] == pytest.approx([1.2, 1.4], abs=0.1)
    for item, film in zip(stage.items, films, strict=True):
        steps = [job.step for job in item.jobs]
        assert steps == ["identify", "prepare", "extract", "finish"]
        assert all(job.took.cpu_s > 0 for job in item.jobs)
        assert item.read > film.stat().st_size
        assert 0 < item.kept < item.written
    assert stage.begin.cpu_s > 0
    assert stage.peak > 100e6
    text = " ".join(done.stdout.split())
    assert re.search(r"core-hours │ [\d.]+ h │ [\d.]+ to [\d.]+", text)
    assert "limited by │ the cores" in text
    again = dawn("plan", "--costs", costs, "--hours", 2, "--workers", 2, "--price", 0.05)
    assert again.stdout in done.stdout

    wrong = {
        "give --hours H, --generate-minutes M, or --measure": ["--costs", costs],
        "go together": ["--hours", 1, films[0]],
        "says nothing of generate": ["--costs", costs, "--generate-minutes", 1],
        "two different videos at least": ["--measure", films[0], "--costs", costs],
        "--fit: 1000 workers need 1000 CPUs": [
            *("--costs", costs, "--hours", 1, "--workers", 1000, "--fit")
        ],
    }
    for told, arguments in wrong.items():
        done = dawn("plan", *arguments)
        assert done.returncode == 2, (arguments, done.stdout)
        assert told in done.stderr
    fits = dawn("plan", "--costs", costs, "--hours", 1, "--workers", 1, "--fit")
    assert "it fits 1 node" in fits.stdout, fits.stderr
