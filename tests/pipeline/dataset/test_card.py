"""The card of a dataset: the tables' numbers, valid metadata, nothing of this machine."""

import io
import logging
import re
from pathlib import Path

import mlcroissant
import pyarrow as pa
import pytest
import yaml
from PIL import Image

from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.dataset.croissant import CONFORMS_TO
from pipeline.dataset.facts import facts_of, histogram
from tests.conftest import Dawn, Once
from tests.pipeline.dataset.editing import edited, with_text


@pytest.fixture
def card(dataset: Dataset, once: Once) -> Path:
    from pipeline.dataset.card import make_card

    return once("card", lambda out: make_card(dataset.path, out, None))


def front_matter(readme: Path) -> dict[str, object]:
    return yaml.safe_load(readme.read_text().split("---\n")[1])


def test_the_readme_has_the_numbers_of_the_tables(card: Path, dataset: Dataset) -> None:
    text = (card / "README.md").read_text()
    (whole,) = rows(dataset, "SELECT count(*) AS n FROM clips WHERE accepted")
    assert f"\n{whole['n']} clips of talking heads" in text
    for row in rows(
        dataset,
        "SELECT split, count(*) AS clips, count(DISTINCT identity) AS speakers, "
        "sum(frames)::BIGINT AS frames FROM clips WHERE accepted GROUP BY split",
    ):
        line = next(x for x in text.splitlines() if x.startswith(f"| {row['split']} |"))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert (cells[1], cells[2], cells[5]) == (
            str(row["clips"]), str(row["speakers"]), f"{row['frames']:,}",
        )  # fmt: skip
    failed = rows(
        dataset,
        "SELECT filter, any_value(threshold) AS bound, count(*) FILTER (verdict = 'fail') AS n "
        "FROM decisions GROUP BY filter",
    )
    assert sum(row["n"] for row in failed) > 0
    for row in failed:
        cells = re.search(rf"^\| `{row['filter']}` \|(.*)$", text, re.M)[1].split("|")
        assert float(cells[0].split()[-1]) == pytest.approx(row["bound"])
        assert int(cells[2]) == row["n"]
    for row in rows(dataset, "SELECT reason, count(*) AS n FROM videos GROUP BY reason"):
        assert re.search(rf"\| {row['reason'] or ''} +?\| {row['n']} \|", text)
    assert dataset.info()["recipe_hash"] in text
    assert "Licence: **unknown**" in text
    assert "Consent: **unknown**" in text
    assert front_matter(card / "README.md")["license"] == ["unknown"]


def test_pictures_are_there_and_show_something(card: Path) -> None:
    shown = re.findall(r"!\[.+\]\((.+?)\)", (card / "README.md").read_text())
    assert len(shown) == 4
    for name in shown:
        picture = Image.open(io.BytesIO((card / name).read_bytes())).convert("RGB")
        assert len(picture.getcolors(1 << 20)) > 20


def test_croissant_is_valid_by_its_own_library(
    card: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = mlcroissant.Dataset(jsonld=str(card / "croissant.json"))
    assert found.metadata.conforms_to == [CONFORMS_TO]
    assert not found.metadata.ctx.issues.errors
    assert "not standard" not in caplog.text  # its context is the specification's
    fields = {field.name: field for field in found.metadata.record_sets[0].fields}
    assert fields["yaw_p95"].description == "95th percentile of the absolute yaw [degree]"


def test_nothing_tells_where_it_was_made(card: Path, dataset: Dataset, footage: Path) -> None:
    for path in card.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for place in (dataset.path, str(footage), str(card), str(Path.home())):
                assert place.encode() not in content, f"{path.name}: {place}"


def test_the_same_dataset_has_the_same_card(
    card: Path, dataset: Dataset, dawn: Dawn, tmp_path: Path
) -> None:
    out = tmp_path / "card"
    for _ in range(2):  # the second replaces the first
        answer = dawn("dataset", "card", dataset.path, "--out", out)
        assert answer.returncode == 0, answer.stderr
        assert "wrote the card" in answer.stdout
    files = {path.relative_to(card) for path in card.rglob("*") if path.is_file()}
    assert files == {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    assert all((card / name).read_bytes() == (out / name).read_bytes() for name in files)
    assert [path.name for path in tmp_path.iterdir()] == ["card"]


def test_a_folder_of_others_is_left_alone(dataset: Dataset, dawn: Dawn, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    answer = dawn("dataset", "card", dataset.path, "--out", tmp_path)
    assert answer.returncode == 2
    assert "holds other files" in answer.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_labels_of_the_lists_are_counted_wherever_they_stand(
    dataset: Dataset, tmp_path: Path
) -> None:
    def label(table: pa.Table) -> pa.Table:
        table = with_text(with_text(table, "licence", "CC BY 4.0"), "consent", "signed | 2024")
        language = pa.array([{"language": "en"}] * table.num_rows)
        return table.append_column("labels", language)

    labelled = edited(dataset, tmp_path / "d", label)
    facts = facts_of(labelled, "labelled")
    assert facts.labels["consent"] == [("signed | 2024", facts.clips)]
    assert facts.labels["language"] == [("en", facts.clips)]
    assert facts.labels["gender"] is None
    from pipeline.dataset.card import make_card

    make_card(labelled.path, tmp_path / "card", "My set")
    text = (tmp_path / "card/README.md").read_text()
    front = front_matter(tmp_path / "card/README.md")
    assert (front["pretty_name"], front["license"]) == ("My set", ["cc-by-4.0"])
    assert front["language"] == ["en"]
    assert rf"| signed \| 2024 | {facts.clips} |" in text
    assert "**unknown**" not in text


def test_a_dataset_without_accepted_clips_has_no_card(
    dataset: Dataset, dawn: Dawn, tmp_path: Path
) -> None:
    def reject(table: pa.Table) -> pa.Table:
        column = pa.array([False] * table.num_rows)
        return table.set_column(table.column_names.index("accepted"), "accepted", column)

    rejected = edited(dataset, tmp_path / "d", reject)
    answer = dawn("dataset", "card", rejected.path, "--out", tmp_path / "card")
    assert answer.returncode == 2
    assert "no accepted clip" in answer.stderr
    assert not (tmp_path / "card").exists()


def test_a_histogram_counts_every_number_once(dataset: Dataset) -> None:
    (row,) = rows(dataset, "SELECT count(*) AS n, max(yaw_p95) AS most FROM clips")
    edges, counts = histogram(dataset, "clips", "yaw_p95", "true")
    assert sum(counts) == row["n"]
    assert edges[0] < edges[-1] <= row["most"]
    assert histogram(dataset, "clips", "yaw_p95", "false") == ([], [])
    edges, counts = histogram(dataset, "clips", "0.0 * yaw_p95", "true")
    assert (edges[0], edges[-1], sum(counts)) == (-0.5, 0.5, row["n"])
