"""Metrics as Prometheus gets them: from the agent of a node, where a real run did its work."""

import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from dawn.recipe import IngestConfig, Recipe
from manifests.location import Place
from manifests.requests import asked
from manifests.store import Dataset
from pipeline.cluster.metrics import DEFINITIONS
from pipeline.cluster.tasks import OnRay
from pipeline.events import note
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from pipeline.run_log import logged
from tests.hostile import Film, faces

PLAIN = Recipe.resolve(IngestConfig(use_weights=False))
Sample = tuple[str, frozenset[tuple[str, str]]]


def scraped() -> dict[Sample, float]:
    """What the node's agent serves of ours: name and tags of ours, and the number."""
    (node,) = ray.nodes()
    address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(address, timeout=30) as answer:
        text = answer.read().decode()
    ours = {tag for definition in DEFINITIONS for tag in definition.tags}
    found: dict[Sample, float] = {}
    for name, tags, value in re.findall(r"^ray_(dawn_\w+)\{(.*)\} (\S+)$", text, re.M):
        said = [(k, v) for k, v in re.findall(r'(\w+)="([^"]*)"', tags) if k in ours]
        sample = name, frozenset(said)
        found[sample] = found.get(sample, 0) + float(value)
    return found


def eventually(holds: Callable[[dict[Sample, float]], bool]) -> dict[Sample, float]:
    """What is served once that holds: Ray passes numbers on every ten seconds."""
    end = time.monotonic() + 120
    while not holds(found := scraped()):
        assert time.monotonic() < end, found
        time.sleep(0.5)
    return found


def sample(name: str, **tags: str) -> Sample:
    return name, frozenset(tags.items())


@pytest.mark.ray
def test_a_run_s_numbers_are_served_by_its_node(
    ray_session: None, tmp_path: Path, bucket: str
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    Film(films / "film.mp4").pictures(faces(30)).sound(1.2).close()
    (films / "none.mp4").write_bytes(b"")
    place = Place.of(f"{bucket}/note")
    place.fs.pipe_file(place.path, b"x")
    data = Dataset(str(tmp_path / "data"))
    adopt(data, PLAIN, update=False)
    executor = OnRay(2)
    with logged("probe", data.uri):  # a name that no other test has
        ingest(find_sources([str(films)]), data, PLAIN, executor)
        note("retry", job="a", reason="node")
    done = sample("dawn_jobs_finished_total", command="probe", outcome="done")
    put = sample("dawn_storage_requests_total", operation="PutObject")
    wanted = asked["PutObject"]
    found = eventually(lambda now: now.get(done) == 5 and now.get(put, 0) >= wanted)
    assert found[put] == wanted >= 1
    assert found[sample("dawn_quarantined_total", command="probe", reason="empty")] == 1
    assert found[sample("dawn_retries_total", command="probe", reason="node")] == 1
    assert found[sample("dawn_clips_total", command="probe")] == 1
    assert found[sample("dawn_frames_total", command="probe")] == 30
    assert found[sample("dawn_jobs_in_flight", command="probe")] == 0
    assert found[sample("dawn_jobs_waiting", command="probe")] == 0
    assert {name for name, _ in found} == {definition.name for definition in DEFINITIONS}


def test_without_ray_numbers_are_counted_and_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr("pipeline.cluster.metrics.metric_of", pytest.fail)
    with logged("probe", "/nonexistent"):
        note("retry", job="a", reason="node")
        note("closing")


def test_few_updates_a_second_reach_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    class Counting:
        def inc(self, amount: float, tags: dict[str, str]) -> None:
            told.append(amount)

    monkeypatch.setattr("pipeline.cluster.metrics._ray_runs", lambda: True)
    monkeypatch.setattr("pipeline.cluster.metrics.tell_requests", lambda: None)
    monkeypatch.setattr("pipeline.cluster.metrics.metric_of", lambda _: Counting())
    monkeypatch.setattr("pipeline.cluster.metrics._EVERY_S", 3600.0)
    with logged("probe", "/nonexistent"):
        for _ in range(1000):
            note("retry", job="a", reason="node")
    assert told == [1000]
