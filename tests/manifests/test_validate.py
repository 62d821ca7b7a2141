"""Every check can fail: each invariant is broken in turn, and the fault is named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.compact import compact
from manifests.store import Dataset
from manifests.validate import CHECKS, faults
from tests.manifests.rows import add, clip, written

Rows = list[dict[str, Any]]


def changed(table: str, **values: Any) -> Callable[[Path], None]:
    """Breaks the first row of the first part of a table."""

    def act(root: Path) -> None:
        def edit(rows: Rows) -> Rows:
            return [rows[0] | values, *rows[1:]]

        rewrite(root, table, edit)

    return act


def doubled(table: str) -> Callable[[Path], None]:
    """Repeats the first row of the first part of a table."""
    return lambda root: rewrite(root, table, lambda rows: [rows[0], *rows])


def shortened(table: str) -> Callable[[Path], None]:
    """Drops the last row of the first part of a table."""
    return lambda root: rewrite(root, table, lambda rows: rows[:-1])


def rewrite(root: Path, table: str, edit: Callable[[Rows], Rows]) -> None:
    path = sorted((root / table).iterdir())[0]
    old = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(edit(old.to_pylist()), old.schema), path)


BREAK: dict[str, Callable[[Path], None]] = {
    "clip ids are unique": doubled("clips"),
    "clips_total and clips_accepted count the video's clips": changed("videos", clips_total=7),
    "status follows from the clips": changed("videos", status="rejected"),
    "a clip has one row for each of its frames, in `frames`": shortened("frames"),
    "a clip has one row for each of its frames, in `audio`": doubled("audio"),
    "frame i lies at (start_frame + i) / 25 s": changed("frames", time_s=9.0),
    "landmarks, pose and eye ratios are finite": changed("frames", eye_left=float("nan")),
    "audio features are finite": changed("audio", features=[float("inf")] * 320),
    "rows are of clips that are there": changed("decisions", clip_id="gone"),
    "each filter judged a clip once": doubled("decisions"),
    "a clip is accepted when no filter fails it": changed("decisions", verdict="fail"),
    "an identity is in one split": changed("clips", identity="video:b", split="test"),
    "a video with clips names a part of every table": changed("videos", audio_part=None),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with written(str(tmp_path / "d")) as session:
        add(session, "a")
        add(session, "b", [clip("b"), clip("b", 4)])
    return tmp_path / "d"


def test_a_sound_dataset_has_no_faults(root: Path) -> None:
    assert list(faults(Dataset(str(root)))) == []


def test_every_check_is_broken_here() -> None:
    assert set(BREAK) == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_a_broken_invariant_is_named(root: Path, name: str) -> None:
    BREAK[name](root)
    found = list(faults(Dataset(str(root))))
    assert any(fault.startswith(f"{name}: not so for ") for fault in found), found


def test_missing_and_unnamed_files_are_named(root: Path) -> None:
    (part,) = (root / "frames").glob("a-*")
    shutil.copy(part, root / "frames" / "stray.parquet")
    (root / "media/aa/a-0.mp4").unlink()
    (root / "media/aa/stray.mp4").touch()
    (root / ".staged/x").mkdir(parents=True)
    found = list(faults(Dataset(str(root))))
    assert "parts are named: frames/stray.parquet is not" in found
    assert "media exist: media/aa/a-0.mp4 is missing" in found
    assert "media are named: media/aa/stray.mp4 is not" in found
    assert any(".staged is left" in fault for fault in found)
    part.unlink()
    assert f"parts exist: frames/{part.name} is missing" in list(faults(Dataset(str(root))))


def test_other_columns_are_named(root: Path) -> None:
    (part,) = (root / "audio").glob("a-*")
    pq.write_table(pq.read_table(part).drop_columns(["loudness_db"]), part)
    assert f"columns follow the schema: not so for audio/{part.name}" in list(
        faults(Dataset(str(root)))
    )


def test_a_row_that_was_lost_from_a_merged_part_is_noticed(root: Path) -> None:
    dataset = Dataset(str(root))
    compact(dataset, 10**6)
    rewrite(root, "videos", lambda rows: rows[1:])
    (fault,) = (f for f in faults(dataset) if f.startswith("rows have a video"))
    assert "holds rows of a, which has none in videos/" in fault
    compact(dataset, 10**6)
    assert list(faults(dataset)) == []
