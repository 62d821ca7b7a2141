"""`dawn dataset tones` on the rendered footage: a row a clip, which `--labels` takes."""

import csv
from pathlib import Path

import pytest

from eval.results.columns import parse_by
from manifests.catalog import rows
from manifests.errors import InputError
from manifests.store import Dataset
from pipeline.dataset.columns import read_table
from pipeline.dataset.tones import write_tones


def test_each_accepted_clip_has_its_tones(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "tones.csv"
    write_tones(dataset.uri, out)
    with out.open() as file:
        found = {row.pop("clip_id"): row for row in csv.DictReader(file)}
    clips = rows(dataset, "SELECT clip_id, identity FROM clips WHERE accepted")
    assert found.keys() == {clip["clip_id"] for clip in clips}
    for row in found.values():
        assert 20 < float(row["lightness"]) < 95
        assert 0 <= float(row["side_light"]) < 40
        assert -90 < float(row["skin_tone"]) < 90
    angles = [float(row["skin_tone"]) for row in found.values()]
    assert max(angles) - min(angles) > 10  # the rendered people have skins of their own
    grouped = read_table(str(out)).grouped(parse_by("skin_tone:-30,10,28,41,55"), {*found})
    assert len(grouped.labels) == 6
    assert grouped.of_clip.keys() == found.keys()


def test_a_dataset_without_clips_says_so(tmp_path: Path) -> None:
    empty = Dataset(str(tmp_path / "root"))
    empty.ensure({})
    with pytest.raises(InputError, match="no accepted clip shows both cheeks"):
        write_tones(empty.uri, tmp_path / "tones.csv")
