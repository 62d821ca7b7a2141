"""Compaction: nothing changes for readers, before, during and after, killed or not."""

import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests.catalog import connect, rows
from manifests.commit import sweep
from manifests.compact import compact
from manifests.errors import InputError
from manifests.schema import COLUMNS
from manifests.store import Dataset
from manifests.validate import faults
from tests.manifests.rows import add, clip, written


def contents(dataset: Dataset) -> dict[str, list[dict[str, Any]]]:
    """All rows of all views but the names of parts, which compaction changes."""
    found = {}
    connection = connect(dataset)
    for table in COLUMNS:
        table_rows = connection.sql(f"FROM {table}").to_arrow_table().to_pylist()
        for row in table_rows:
            for name in [name for name in row if name.endswith("_part")]:
                row[name] = row[name] is not None
        found[table] = sorted(table_rows, key=repr)
    return found


def fill(root: Path, videos: int = 5) -> Dataset:
    """Videos v0, v1, … with as many clips as their number says."""
    with written(str(root)) as session:
        for number in range(videos):
            add(session, f"v{number}", [clip(f"v{number}", k) for k in range(number)])
        return session.dataset


@pytest.mark.parametrize("rows_per_file", [1, 10, 10**6])
def test_rows_are_the_same_and_files_fewer(tmp_path: Path, rows_per_file: int) -> None:
    dataset = fill(tmp_path / "d")
    before = contents(dataset)
    result = compact(dataset, rows_per_file)
    assert contents(dataset) == before
    assert list(faults(dataset)) == []
    assert all(name.startswith("compact-") for t in COLUMNS for name in dataset.names(t))
    if rows_per_file == 10**6:
        assert (result.videos, result.before, result.after) == (5, 21, 5)
    assert compact(dataset, rows_per_file).after == result.after


def test_new_videos_join_what_was_merged(tmp_path: Path) -> None:
    dataset = fill(tmp_path / "d")
    compact(dataset, 10**6)
    with dataset.writing() as session:
        (old,) = rows(dataset, "FROM videos WHERE video_id = 'v2'")
        add(session, "v2", [clip("v2", face_px=1.0)], key="k2", old=old)
        add(session, "new")
        assert session.unclean  # v2's rows in the merged parts are nobody's now
        sweep(session)
    before = contents(dataset)
    compact(dataset, 10**6)
    assert contents(dataset) == before
    assert list(faults(dataset)) == []
    assert dataset.names("videos") == dataset.names("clips")
    assert len(dataset.names("videos")) == 1


def test_readers_see_every_row_once_all_the_time(tmp_path: Path) -> None:
    dataset = fill(tmp_path / "d")
    sql = "SELECT clip_id, frame, face_px, features FROM audio JOIN clips USING (clip_id)"
    expected = rows(dataset, f"{sql} ORDER BY ALL")
    wrong: list[object] = []
    seen = 0
    stop = threading.Event()

    def read() -> None:
        nonlocal seen
        while not stop.is_set():
            try:
                found = rows(dataset, f"{sql} ORDER BY ALL")
            except InputError as error:  # a query that could not be answered counts as noticing
                wrong.append(str(error))
                return
            if found != expected:
                wrong.append("rows differ")
                return
            seen += 1

    reader = threading.Thread(target=read)
    reader.start()
    for number, rows_per_file in enumerate(itertools.cycle((1, 10**6, 2))):
        if wrong or (number >= 3 and seen >= 3):
            break
        compact(dataset, rows_per_file)
        with dataset.writing() as session:  # give the next round something to merge
            (old,) = rows(dataset, "FROM videos WHERE video_id = 'v1'")
            add(session, "v1", [clip("v1", 0)], old=old)
    stop.set()
    reader.join()
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("method", ["publish", "delete"])
def test_killed_anywhere_it_loses_and_doubles_nothing(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killer(call: Callable[..., Any], at: int) -> Callable[..., Any]:
        count = 0

        def wrapped(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                raise KilledError
            return call(*arguments)

        return wrapped

    before = contents(fill(tmp_path / "filled", videos=3))
    for at in range(1, 60):
        root = shutil.copytree(tmp_path / "filled", tmp_path / f"{method}{at}")
        dataset = Dataset(str(root))
        with monkeypatch.context() as patch:
            patch.setattr(Dataset, method, killer(getattr(Dataset, method), at))
            try:
                compact(dataset, 4)
                finished = True
            except KilledError:
                finished = False
        assert contents(dataset) == before, f"killed at {method} {at}"
        compact(dataset, 4)
        assert contents(dataset) == before
        assert list(faults(dataset)) == [], f"killed at {method} {at}"
        if finished:
            break
    else:
        pytest.fail("never ran to the end")
    assert at > 5


def test_a_stopped_ingest_is_not_compacted_away(tmp_path: Path) -> None:
    dataset = fill(tmp_path / "d")
    (tmp_path / "d" / ".tmp" / "trace").mkdir(parents=True)
    (tmp_path / "d" / ".staged" / "video").mkdir(parents=True)
    with pytest.raises(InputError, match="run it again"):
        compact(dataset, 10)
    assert (tmp_path / "d" / ".staged" / "video").exists()
