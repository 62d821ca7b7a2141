"""Reading Parquet files."""

import io
import weakref
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.parquet import read_batches, read_parquet, write_parquet

ROWS = pa.table(
    {
        "clip_id": ["a"] * 40 + ["b"] * 60 + ["c"] * 40,
        "box": pa.FixedSizeListArray.from_arrays(pa.array([0.5] * 280, pa.float32()), 2),
        "frame": list(range(140)),
    }
)


class Watched(io.BytesIO):
    """A file whose end can be seen: io.BytesIO itself takes no weak reference."""


@pytest.fixture
def grouped(tmp_path: Path) -> Path:
    """Groups of 40 rows: a, b, b and c, c."""
    pq.write_table(ROWS, tmp_path / "rows.parquet", row_group_size=40, compression="none")
    return tmp_path / "rows.parquet"


@pytest.mark.parametrize(
    "read",
    [
        lambda file: read_parquet(file, ["frame"], ("clip_id", "b")),
        read_parquet,
        lambda file: list(read_batches(file)),
    ],
)
def test_no_thread_keeps_a_file_that_was_read(
    grouped: Path, read: Callable[[io.BytesIO], object]
) -> None:
    """A thread that keeps one when the interpreter ends aborts the process."""
    data = grouped.read_bytes()
    kept = 0
    for _ in range(500):
        file = Watched(data)
        watch = weakref.ref(file)
        read(file)
        del file
        kept += watch() is not None
    assert kept == 0


def test_reading_gives_the_columns_in_the_order_asked_for(grouped: Path) -> None:
    with grouped.open("rb") as file:
        assert read_parquet(file).equals(ROWS)
        assert read_parquet(file, ["frame", "box"]).equals(ROWS.select(["frame", "box"]))
        assert pa.Table.from_batches(read_batches(file)).equals(ROWS)


@pytest.mark.parametrize("value", ["a", "b", "c", "none", ""])
def test_a_value_selects_its_rows(grouped: Path, value: str) -> None:
    expected = pq.read_table(grouped, columns=["frame"], filters=[("clip_id", "=", value)])
    with grouped.open("rb") as file:
        assert read_parquet(file, ["frame"], ("clip_id", value)).equals(expected)
        whole = read_parquet(file, ["clip_id", "frame"], ("clip_id", value))
    assert set(whole["clip_id"].to_pylist()) <= {value}
    assert whole.select(["frame"]).equals(expected)


def test_row_groups_without_the_value_are_not_read(grouped: Path) -> None:
    """Damaged, they would be noticed."""
    data = bytearray(grouped.read_bytes())
    first = pq.ParquetFile(grouped).metadata.row_group(0).column(2)
    begin = first.dictionary_page_offset or first.data_page_offset
    data[begin : begin + first.total_compressed_size] = b"\xff" * first.total_compressed_size
    file = io.BytesIO(data)
    assert read_parquet(file, ["frame"], ("clip_id", "c"))["frame"].to_pylist() == [
        *range(100, 140)
    ]
    with pytest.raises((OSError, pa.ArrowException)):
        read_parquet(file, ["frame"], ("clip_id", "a"))


def test_rows_without_statistics_are_found(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(ROWS, path, row_group_size=40, write_statistics=False)
    with path.open("rb") as file:
        assert read_parquet(file, ["frame"], ("clip_id", "b")).num_rows == 60


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows.parquet", ROWS)
    with (tmp_path / "rows.parquet").open("rb") as file:
        with pytest.raises(pa.ArrowException, match="no column pose"):
            read_parquet(file, ["pose"])
        with pytest.raises(pa.ArrowException, match="no column video_id"):
            read_parquet(file, ["frame"], ("video_id", "b"))
