"""`dawn dataset stratify`: quotas, exactly repeatable, shortfalls named."""

import csv
from pathlib import Path

import numpy as np
import pytest

from eval.results.columns import By, grouping
from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.dataset.columns import DERIVED, read_table
from pipeline.dataset.stratify import Clip, strata
from tests.conftest import Dawn


def people(count: int = 200) -> tuple[list[Clip], dict[str, str], dict[str, float]]:
    """Clips of 40 speakers, a quarter of them French, with a head turn."""
    turns = np.random.default_rng(0).uniform(0, 40, count)
    clips = [Clip(clip_id=f"c{i}", speaker=f"s{i % 40}", split="test") for i in range(count)]
    languages = {c.clip_id: "fr" if i % 40 < 10 else "en" for i, c in enumerate(clips)}
    return clips, languages, {c.clip_id: float(t) for c, t in zip(clips, turns, strict=True)}


def test_quotas_speakers_and_combinations() -> None:
    clips, languages, turns = people()
    cut = [
        grouping(By(column="language"), languages),
        grouping(By(column="turn", bounds=(10, 35, 90)), turns),
    ]
    found = strata(clips, cut, 8, 0)
    assert [stratum.groups[0] for stratum in found] == ["en"] * 4 + ["fr"] * 4
    for stratum in found:
        assert len(stratum.chosen) == min(8, stratum.there)
        for clip in stratum.chosen:
            assert languages[clip.clip_id] == stratum.groups[0]
    full = found[1]  # en, 10 to 35: many clips of 30 speakers
    assert len({clip.speaker for clip in full.chosen}) == 8
    assert found[3].there == 0  # nobody turns beyond 90 degrees: it is there all the same


def test_repeatable_and_steady_when_clips_join() -> None:
    clips, languages, _ = people()
    cut = [grouping(By(column="language"), languages)]
    once = strata(clips, cut, 12, 5)
    again = strata(clips[::-1], cut, 12, 5)
    assert once == again
    other = strata(clips, cut, 12, 6)
    assert once != other
    fewer = strata(clips[:-10], cut, 12, 5)
    before, after = ({c.clip_id for s in x for c in s.chosen} for x in (fewer, once))
    assert len(before & after) > 24 - 10


def test_the_command_writes_a_list_that_evaluate_takes(
    dataset: Dataset, dawn: Dawn, tmp_path: Path
) -> None:
    words = ["--by", "split", "--by", "yaw:0", "--quota", 2, "--split", "all", "--seed", 3]
    said = dawn("dataset", "stratify", dataset.uri, *words, "--out", tmp_path / "a.csv")
    assert said.returncode == 0, said.stderr
    dawn("dataset", "stratify", dataset.uri, *words, "--out", tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert 0 < len(rows) <= 12
    assert {row["stratum_split"] == row["split"] for row in rows} == {True}
    assert "short: " in said.stdout
    refused = dawn(
        "evaluate", "--baseline", "real", "--reference", f"{dataset.uri}:all", "--clips",
        tmp_path / "lost.csv", "--out", tmp_path / "out",
    )  # fmt: skip
    assert refused.returncode == 2
    assert "lost.csv" in refused.stderr


def test_evaluate_keeps_to_a_list(dataset: Dataset, tmp_path: Path) -> None:
    from manifests.errors import InputError
    from pipeline.evaluate.command import EvaluateOptions, plan

    clip = rows(dataset, "SELECT min(clip_id) AS clip FROM clips WHERE accepted")[0]["clip"]
    (tmp_path / "one.csv").write_text(f"clip_id\n{clip}\n")
    given = {"reference": f"{dataset.uri}:all", "out": str(tmp_path / "out"), "baseline": "real"}
    job = plan(EvaluateOptions(**given, clips=tmp_path / "one.csv"))
    assert [pair.clip_id for pair in job.pairing.pairs] == [clip]
    (tmp_path / "one.csv").write_text("clip_id\nelsewhere\n")
    with pytest.raises(InputError, match="1 of 1 clip missing from --reference, such as elsewhere"):
        plan(EvaluateOptions(**given, clips=tmp_path / "one.csv"))


@pytest.mark.parametrize("name", DERIVED)
def test_derived_columns(dataset: Dataset, name: str) -> None:
    column = read_table(dataset.uri).column(name)
    assert column is not None
    assert len(column.values) > 3
    assert all(isinstance(value, float) for value in column.values.values() if value is not None)
