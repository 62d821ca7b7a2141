"""Same bytes and recipe, same tables: whatever the workers, the order, the process."""

import hashlib
import random
from pathlib import Path

import pytest

from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import query
from manifests.schema import COLUMNS, MEASURED_ANEW
from manifests.store import Dataset
from pipeline.cluster.tasks import OnRay
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import Summary, ingest
from pipeline.ingest.sources import Source, find_sources

pytestmark = pytest.mark.ray


def fingerprint(dataset: Dataset) -> dict[str, str]:
    """A hash of each table's sorted rows, and of the media's bytes."""
    found = {}
    for table, columns in COLUMNS.items():
        names = [column.name for column in columns if column.name not in MEASURED_ANEW]
        rows = query(dataset, f"SELECT {', '.join(names)} FROM {table}").to_pylist()
        text = "\n".join(sorted(map(repr, rows)))
        found[table] = hashlib.sha256(text.encode()).hexdigest()
    media = sorted(Path(dataset.path).glob("media/*/*"))
    content = [path.name.encode() + path.read_bytes() for path in media]
    return found | {"media": hashlib.sha256(b"".join(content)).hexdigest()}


def run(root: Path, sources: list[Source], workers: int) -> tuple[Dataset, Summary]:
    target = Dataset(str(root))
    recipe = Recipe.resolve(IngestConfig(use_weights=False))
    adopt(target, recipe, update=False)
    return target, ingest(sources, target, recipe, OnRay(workers))


@pytest.mark.slow
def test_one_and_two_workers_in_any_order_agree_with_one_process(
    dataset: Dataset, footage: Path, ray_session: None, tmp_path: Path
) -> None:
    expected = fingerprint(dataset)
    sources = find_sources([str(footage)])
    random.Random(1).shuffle(sources)
    for workers in (1, 2):
        target, _ = run(
            tmp_path / str(workers), sources[::-1] if workers == 1 else sources, workers
        )
        assert fingerprint(target) == expected, f"{workers} workers"


@pytest.mark.slow
def test_the_second_run_changes_and_does_nothing(
    footage: Path, ray_session: None, tmp_path: Path
) -> None:
    sources = find_sources([str(footage / "plain.mp4"), str(footage / "text.mp4")])
    run(tmp_path / "root", sources, 2)

    def files() -> dict[Path, int]:
        """Not the note of how sources looked, which a run completes."""
        found = (path for path in (tmp_path / "root").rglob("*/*") if path.parent.name != "seen")
        return {path: path.stat().st_mtime_ns for path in found}

    before = files()
    assert before
    _, again = run(tmp_path / "root", sources, 2)
    assert again.outcomes == {"unchanged": 2}
    assert files() == before
