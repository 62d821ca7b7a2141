"""`dawn leaderboard --by`: whom an average hides."""

import csv
import json
import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eval.results.scores import load_results
from manifests.store import Dataset
from pipeline.dataset.columns import read_table
from pipeline.evaluate.groupings import groupings
from tests.results_folders import write_results

Dawn = Callable[..., subprocess.CompletedProcess[str]]
CLIPS = 120
WHO = np.arange(CLIPS) // 4


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two systems on 30 speakers; `unfair` is 3 dB worse for speakers of French and blinks more
    seldom than the real clips for the old; nothing depends on `coin`.
    """
    random = np.random.default_rng(0)
    language = np.array(["English", "French"])[WHO % 2]
    age = 20.0 + 2 * WHO
    rare = np.where(WHO == 0, "yes", "no")
    level = random.normal(25, 1, 30)[WHO]
    blinks = random.uniform(0.2, 0.6, CLIPS)
    for name, loss in (("fair", 0.0), ("unfair", 3.0)):
        psnr = level - loss * (language == "French") + random.normal(0, 0.5, CLIPS)
        seldom = blinks - 0.15 * (loss > 0) * (age > 58) + random.normal(0, 0.02, CLIPS)
        write_results(
            tmp_path / name,
            {"psnr": psnr, "blink_rate": seldom, "ssim": random.uniform(0.8, 0.9, CLIPS)},
            references={"blink_rate": blinks},
            speakers=[f"s{who}" for who in WHO],
            system=name,
        )
    with (tmp_path / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip_id", "language", "age", "coin", "rare"])
        for i in range(CLIPS):
            coin = "heads" if random.random() < 0.5 else "tails"
            row = [f"clip{i:04d}", language[i], age[i], coin, rare[i]]
            writer.writerow(row)
    return tmp_path


def board(dawn: Dawn, study: Path, *words: str) -> dict:
    folders = [str(study / name) for name in ("fair", "unfair")]
    told = dawn("leaderboard", *folders, "--out", study / "page", "--gallery", 0, *words)
    assert told.returncode == 0, told.stderr
    (sheet,) = json.loads((study / "page/leaderboard.json").read_text())["sheets"]
    return sheet["subgroups"]


def test_planted_gaps_are_found_and_no_others(dawn: Dawn, study: Path) -> None:
    words = ["--labels", str(study / "people.csv")]
    words += ["--by", "language", "--by", "age:38,58", "--by", "coin"]
    found = board(dawn, study, *words)
    # two metrics more than these would be looked at if there were any
    assert found["looked_at"] == 2 * 3 * (1 + 3 + 1)
    shown = {
        (row["system"], row["metric"], row["by"]): row["largest"]
        for row in found["rows"]
        if row["largest"]["shown"]
    }
    assert shown.keys() == {("unfair", "psnr", "language"), ("unfair", "blink_rate", "age")}
    gap = shown["unfair", "psnr", "language"]
    assert (gap["more"], gap["less"]) == ("English", "French")
    assert gap["low"] < 3 < gap["high"]
    nearness = shown["unfair", "blink_rate", "age"]
    assert nearness["less"] == "over 58"
    assert nearness["low"] < 0.15 < nearness["high"]
    page = (study / "page/index.html").read_text()
    assert "Whom an average hides" in page
    assert "max-statistic bootstrap over speakers" in page
    assert "English than for French" in page
    assert "English than for French" in (study / "page/leaderboard.md").read_text()


def test_what_is_too_small_has_no_number_and_says_so(dawn: Dawn, study: Path) -> None:
    words = ["--labels", str(study / "people.csv"), "--by", "rare", "--by", "age"]
    found = board(dawn, study, *words)
    row = next(row for row in found["rows"] if row["by"] == "rare")
    few, rest = sorted(row["groups"], key=lambda part: part["clips"])
    assert few["value"] is None
    assert few["why"] == "too few: 4 clips of 1 speaker"
    assert rest["value"] is not None
    assert row["largest"] is None
    thirds = next(row for row in found["rows"] if row["by"] == "age")["groups"]
    assert [part["clips"] for part in thirds] == [40, 40, 40]
    rows = list(csv.DictReader((study / "page/leaderboard-groups.csv").open()))
    assert {r["why"] for r in rows if r["group"] == "yes"} == {"too few: 4 clips of 1 speaker"}


def test_the_query_gives_the_numbers_of_the_page(
    dawn: Dawn, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb

    found = board(dawn, study, "--labels", str(study / "people.csv"), "--by", "language")
    page = unescape((study / "page/index.html").read_text())
    sql = re.search(r"WITH of_clip AS.*?ORDER BY metric, results, part", page, re.S)
    assert sql
    monkeypatch.chdir(study)
    with duckdb.connect() as connection:
        files = [f"{name}/metrics/*.parquet" for name in ("fair", "unfair")]
        connection.execute(
            "CREATE VIEW metrics AS SELECT *, system AS results FROM read_parquet("
            f"{files}) WHERE clip_id IS NOT NULL"
        )
        rows = connection.sql(sql[0]).df().set_index(["system", "metric", "part"])["number"]
    there = pd.Series(
        {
            (row["system"], row["metric"], part["group"]): part["value"]
            for row in found["rows"]
            for part in row["groups"]
        }
    )
    assert len(there) == len(rows) == 2 * 3 * 2
    assert np.allclose(rows[there.index], there)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "language"], "give --labels"),
        (["--by", "height", "--labels", "people.csv"], "no such column; it has age, coin"),
        (["--by", "age:9,3", "--labels", "people.csv"], "bounds that rise"),
        (["--by", "language:9", "--labels", "people.csv"], "is no number"),
        (["--by", "language", "--labels", "nowhere"], "is no dataset and no file"),
        (["--labels", "people.csv"], "say which with --by"),
    ],
)
def test_bad_use(
    dawn: Dawn, study: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(study)
    told = dawn("leaderboard", "fair", "unfair", "--out", "page", *words)
    assert told.returncode == 2
    assert said in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_columns_come_from_the_dataset_of_the_real_clips(dataset: Dataset, tmp_path: Path) -> None:
    ids = sorted(read_table(dataset.uri).column("length").values)  # type: ignore[union-attr]
    clips = [{"clip_id": clip, "reference": f"{dataset.uri}/media/{clip}.mp4"} for clip in ids]
    write_results(tmp_path / "a", {"psnr": np.arange(len(ids)) + 20.0}, clips=clips)
    results = load_results(str(tmp_path / "a"))
    turn, side, length = groupings(("yaw:-5,5", "split", "length:1"), None, [results])
    assert turn.labels == ("up to -5°", "-5 to 5°", "over 5°")
    assert turn.of_clip.keys() == length.of_clip.keys() == {*ids}
    assert {*side.labels} <= {"train", "val", "test"}
    assert "avg(pose[1])" in turn.source
