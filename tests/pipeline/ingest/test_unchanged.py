"""A rerun reads only what changed, and `verify` all. The sources are no videos, which is cheap."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.location import Place
from manifests.seen import Seen
from manifests.store import SEEN, Dataset
from pipeline.cluster.executor import InProcess
from pipeline.ingest import command
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from tests.conftest import Dawn

RECIPE = Recipe.resolve(IngestConfig(use_weights=False))
OLD = time.time_ns() - 3600 * 10**9
_opened: list[str] | None = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_audit)


@pytest.fixture
def opened() -> Iterator[Callable[[Path], int]]:
    """How often files below a folder were opened since the last question."""
    global _opened
    _opened = []

    def count(folder: Path) -> int:
        assert _opened is not None
        found = sum(name.startswith(f"{folder}/") for name in _opened)
        _opened.clear()
        return found

    yield count
    _opened = None


def write(path: Path, text: str, when: int = OLD) -> None:
    path.write_text(text)
    os.utime(path, ns=(when, when))


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "footage"
    folder.mkdir()
    for name in "abc":
        write(folder / f"{name}.mp4", f"this is {name}")
    return folder


def run(root: Path | str, source: Path | str, **how: bool) -> Counter[str]:
    dataset = Dataset(str(root))
    adopt(dataset, RECIPE, update=False)
    found = ingest(find_sources([str(source)]), dataset, RECIPE, InProcess(), **how)
    return Counter(found.outcomes)


def videos(root: Path) -> list[dict[str, Any]]:
    return rows(Dataset(str(root)), "FROM videos ORDER BY sources")


def test_a_rerun_reads_no_byte_of_what_is_as_it_was(
    footage: Path, tmp_path: Path, opened: Callable[[Path], int]
) -> None:
    root = tmp_path / "data"
    assert run(root, footage) == {"quarantined": 3}
    assert opened(footage) >= 3
    assert run(root, footage) == {"unchanged": 3}
    assert opened(footage) == 0
    assert run(root, footage, verify=True) == {"unchanged": 3}
    assert opened(footage) == 3
    assert len(Dataset(str(root)).names(SEEN)) == 1


def test_what_changed_is_found(
    footage: Path, tmp_path: Path, opened: Callable[[Path], int]
) -> None:
    root = tmp_path / "data"
    run(root, footage)
    write(footage / "a.mp4", "THIS IS A", OLD + 1)  # the same size
    write(footage / "b.mp4", "this is longer", OLD)
    write(footage / "d.mp4", "this is d")
    assert run(root, footage) == {"quarantined": 3, "unchanged": 1}
    assert len(videos(root)) == 6, "what the files held stays"
    opened(footage)
    assert run(root, footage) == {"unchanged": 4}
    assert opened(footage) == 0


def test_another_file_of_the_same_size_and_time_is_found_when_asked(
    footage: Path, tmp_path: Path
) -> None:
    root, path = tmp_path / "data", footage / "a.mp4"
    run(root, footage)
    write(path, "THIS IS A")  # in place: nothing but its bytes differs
    assert run(root, footage) == {"unchanged": 3}
    assert run(root, footage, verify=True) == {"quarantined": 1, "unchanged": 2}
    assert run(root, footage) == {"unchanged": 3}
    write(footage / "other", "this IS a")
    (footage / "other").replace(path)  # another inode, as on another machine
    assert run(root, footage) == {"quarantined": 1, "unchanged": 2}


def test_what_was_just_written_is_hashed_again(footage: Path, tmp_path: Path) -> None:
    """It may be written again within the same tick of the clock."""
    root, path = tmp_path / "data", footage / "a.mp4"
    now = time.time_ns() + 60 * 10**9
    write(path, "first one", now)
    run(root, footage)
    write(path, "later one", now)
    assert run(root, footage) == {"quarantined": 1, "unchanged": 2}


def test_a_dataset_without_the_note_hashes_once(
    footage: Path, tmp_path: Path, opened: Callable[[Path], int]
) -> None:
    root = tmp_path / "data"
    run(root, footage)
    (note,) = (root / SEEN).iterdir()
    for harm in (note.unlink, lambda: next((root / SEEN).iterdir()).write_bytes(b"no parquet")):
        harm()
        opened(footage)
        assert run(root, footage) == {"unchanged": 3}
        assert opened(footage) == 3
        assert run(root, footage) == {"unchanged": 3}
        assert opened(footage) == 0


def test_quarantined_videos_are_read_when_retried(
    footage: Path, tmp_path: Path, opened: Callable[[Path], int]
) -> None:
    run(tmp_path / "data", footage)
    opened(footage)
    assert run(tmp_path / "data", footage, retry=True) == {"quarantined": 3}
    assert opened(footage) >= 3


def test_what_is_forgotten_is_not_noted(footage: Path, tmp_path: Path, dawn: Dawn) -> None:
    root = tmp_path / "data"
    run(root, footage)
    video = videos(root)[0]["video_id"]
    done = dawn("dataset", "forget", str(root), "--video", video)
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        films = [str(footage / f"{name}.mp4") for name in "abc"]
        seen = Seen(Dataset(str(root)), films)
        assert [now is not None for now in seen.of(films)] == [False, True, True]
        assert run(root, footage) == {"forgotten": 1, "unchanged": 2}


class Counting(InProcess):
    """Counts the jobs."""

    jobs = 0

    def submit(
        self, key: Any, job: Callable[..., Any], *arguments: object, networks: bool = False
    ) -> None:
        self.jobs += 1
        super().submit(key, job, *arguments, networks=networks)


def test_objects_are_known_by_the_etag_of_a_listing(footage: Path, bucket: str) -> None:
    place, data = Place.of(f"{bucket}/footage"), Dataset(f"{bucket}/data")
    place.fs.put(str(footage), place.path, recursive=True)
    adopt(data, RECIPE, update=False)

    def jobs() -> int:
        executor = Counting()
        ingest(find_sources([place.uri]), data, RECIPE, executor)
        return executor.jobs

    assert jobs() >= 3
    assert jobs() == 0
    assert all(source.glance for source in find_sources([place.uri]))
    place.fs.pipe_file(f"{place.path}/a.mp4", b"THIS IS A")
    assert jobs() > 0
    assert jobs() == 0


def test_where_nothing_is_left_to_do_ray_is_not_started(
    footage: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    started = []

    def start(*_: object, **__: object) -> InProcess:
        started.append(True)
        return InProcess()

    monkeypatch.setattr(command, "OnRay", start)
    options = command.IngestOptions(sources=(str(footage),), dataset=str(tmp_path / "root"))
    command.run_ingest(options)
    assert started == [True]
    capsys.readouterr()
    command.run_ingest(options)
    assert started == [True]
    assert "nothing to do" in capsys.readouterr().out
