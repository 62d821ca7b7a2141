"""What `dawn query` writes, and what `dawn dataset validate` finds in media."""

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.catalog import rows
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.dataset.report import media_faults
from pipeline.query import run_query

SQL = "SELECT clip_id, sum(frames) AS total, max(duration_s) AS s FROM clips GROUP BY 1 ORDER BY 1"


def test_formats_hold_the_same_rows(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = [(row["clip_id"], int(row["total"]), row["s"]) for row in rows(dataset, SQL)]
    assert len(expected) == 9
    run_query(dataset.path, SQL, "json", None)
    found = json.loads(capsys.readouterr().out)
    assert [(row["clip_id"], row["total"], row["s"]) for row in found] == expected
    run_query(dataset.path, SQL, "csv", tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(x["clip_id"], int(x["total"]), float(x["s"])) for x in lines] == expected
    run_query(dataset.path, SQL, "parquet", tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 9
    run_query(dataset.path, "SELECT * FROM frames", "table", None)
    shown = capsys.readouterr().out
    assert "landmarks_68" in shown
    assert "3 of 1097 rows" in shown


@pytest.mark.parametrize(("output", "said"), [("xml", "give one of"), ("parquet", "--out FILE")])
def test_what_cannot_be_written_is_refused(dataset: Dataset, output: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run_query(dataset.path, SQL, output, None)


def test_markup_in_values_is_shown_as_it_is(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    run_query(dataset.path, "SELECT '[bold]x[/bold] [link=file:///]' AS name", "table", None)
    assert "[bold]x[/bold] [link=file:///]" in capsys.readouterr().out


def test_media_that_do_not_fit_their_rows_are_named(dataset: Dataset, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset.path, tmp_path / "d"))
    assert list(media_faults(Dataset(str(root)))) == []
    one, two, three = rows(dataset, "SELECT * FROM clips ORDER BY frames LIMIT 3")
    shutil.copy(root / three["video_path"], root / one["video_path"])
    (root / two["sound_path"]).write_bytes(b"noise")
    found = list(media_faults(Dataset(str(root))))
    assert len(found) == 2
    assert any(f.startswith(f"media align: {one['video_path']}") for f in found)
    assert any(two["sound_path"] in f for f in found)
