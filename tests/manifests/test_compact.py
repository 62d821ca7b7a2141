"""Compaction: nothing changes for readers, before, during and after, killed or not."""

import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from manifests.catalog import connect, rows
from manifests.commit import forget, sweep
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
    assert len(dataset.names("videos")) == len(dataset.names("clips")) == 1


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


@pytest.mark.parametrize("at", [2, 5, 6])
def test_a_reader_whom_the_compaction_overtakes_looks_again(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two folders that the reader lists, all parts move: none is left out unnoticed."""
    dataset = fill(tmp_path / "d", videos=3)
    names, listed = Dataset.names, []

    def overtaken(reader: Dataset, folder: str) -> list[str]:
        listed.append(folder)
        if len(listed) == at:
            monkeypatch.setattr(Dataset, "names", names)
            compact(dataset, 1)
        return names(reader, folder)

    monkeypatch.setattr(Dataset, "names", overtaken)
    found = rows(dataset, "SELECT clip_id, frame FROM frames JOIN clips USING (clip_id)")
    assert len(listed) == at
    assert len(found) == (0 + 1 + 2) * 4


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


@pytest.mark.parametrize("rows_per_file", [1, 10**6])
def test_a_row_without_clips_outlives_every_compaction(tmp_path: Path, rows_per_file: int) -> None:
    """Its `videos` row names no part, so nothing else in the dataset speaks of it."""
    with written(str(tmp_path / "d")) as session:
        dataset = session.dataset
        add(session, "a")
        add(session, "z", [])  # the last one, in a group of its own
    for late in ("m", "n"):
        compact(dataset, rows_per_file)
        with dataset.writing() as session:
            add(session, late)
    before = contents(dataset)
    compact(dataset, rows_per_file)
    assert contents(dataset) == before
    assert [row["video_id"] for row in before["videos"]] == ["a", "m", "n", "z"]


def test_a_forgotten_row_of_a_merged_part_is_gone(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        dataset = session.dataset
        add(session, "a")
        add(session, "gone", [])
    compact(dataset, 1)
    (row,) = rows(dataset, "FROM videos WHERE video_id = 'gone'")
    with dataset.writing() as session:
        forget(session, row)
    assert rows(dataset, "SELECT video_id FROM videos") == [{"video_id": "a"}]
    assert list(faults(dataset)) == []
    with dataset.writing() as session:
        forget(session, rows(dataset, "FROM videos")[0])
    assert dataset.names("videos") == []


def test_what_is_large_enough_stays_where_it_is(tmp_path: Path) -> None:
    with written(str(tmp_path / "d")) as session:
        dataset = session.dataset
        for number in range(12):
            add(session, f"v{number:02d}")
        add(session, "v03z", [])  # without parts: it is where its neighbour is
    compact(dataset, 16)
    first = dataset.names("clips")
    assert len(first) == 3  # four videos of four frames each

    def added(name: str) -> set[str]:
        """What compaction replaces once a video more is there."""
        before = {*dataset.names("clips")}
        with dataset.writing() as session:
            add(session, name)
        rows_before = contents(dataset)
        compact(dataset, 16)
        assert contents(dataset) == rows_before
        assert list(faults(dataset)) == []
        assert all(n.startswith("compact-") for t in COLUMNS for n in dataset.names(t))
        return before - {*dataset.names("clips")} - {f"{name}-k1extrac-k1audio0-k1judge0.parquet"}

    assert added("v05a") == {first[1]}
    assert added("a") == {first[0]}
    assert len(added("v05b")) == 1  # five videos, then six, in one part
    assert len(dataset.names("clips")) == 3
    assert added("v09z") == {first[2]}
    assert len(dataset.names("clips")) == 4  # the last may be small
    assert len(added("v05y")) == 1
    added("v05z")
    assert len(dataset.names("clips")) == 5  # eight were enough for two
    with dataset.writing() as session:
        (row,) = rows(dataset, "FROM videos WHERE video_id = 'v00'")
        forget(session, row)
    compact(dataset, 16)
    ids = [dataset.read(f"clips/{n}", ["video_id"])["video_id"] for n in dataset.names("clips")]
    assert "v00" not in {video for column in ids for video in column.to_pylist()}


@pytest.mark.parametrize("new", [["v0a"], ["v0a", "v3a", "z"]])
def test_a_merged_part_is_read_once_however_many_videos_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: list[str]
) -> None:
    dataset = fill(tmp_path / "d", 8)
    compact(dataset, 1000)
    with dataset.writing() as session:
        for name in new:
            add(session, name, [clip(name)])
    before, opened, groups = contents(dataset), [], []
    open_part, iterate = Dataset.open_part, pq.ParquetFile.iter_batches

    def counted(self: Dataset, name: str) -> Any:
        if not name.startswith("videos/"):  # of which queries look at the number of rows
            opened.append(name)
        return open_part(self, name)

    def noted(self: pq.ParquetFile, **how: Any) -> Any:
        groups.append(how)
        return iterate(self, **how)

    monkeypatch.setattr(Dataset, "open_part", counted)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", noted)
    compact(dataset, 1000)
    assert sorted(name.split("/")[0] for name in opened if "compact-" in name) == [
        "audio", "clips", "decisions", "frames"
    ]  # fmt: skip
    assert len(opened) == 4 * (1 + len(new))
    assert len(groups) == 4 * (1 + len(new))  # each row group once; short videos share one
    monkeypatch.undo()
    assert contents(dataset) == before
    assert list(faults(dataset)) == []
    (part,) = dataset.names("clips")
    order = dataset.read(f"clips/{part}", ["video_id"])["video_id"].to_pylist()
    assert order == sorted(order)
