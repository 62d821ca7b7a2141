"""Files, folders, globs and lists as sources; what is wrong with them is said in one line."""

import os
import unicodedata
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from dawn.curation.tables import Label
from manifests.errors import InputError
from pipeline.ingest.sources import find_sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MOV", "sub/c.mkv", "sub/deeper/d.webm", "notes.txt", "x.json"):
        path = tmp_path / "footage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "footage"


def names(*arguments: object, limit: int | None = None) -> list[str]:
    return [source.path.name for source in find_sources(map(str, arguments), limit)]


def test_a_folder_gives_its_videos_sorted(folder: Path) -> None:
    assert names(folder) == ["a.MOV", "b.mp4", "c.mkv", "d.webm"]
    assert names(folder, limit=2) == ["a.MOV", "b.mp4"]


def test_a_file_is_taken_whatever_its_name(folder: Path) -> None:
    assert names(folder / "notes.txt") == ["notes.txt"]


def test_globs_and_doubles(folder: Path) -> None:
    assert names(folder / "*.mp4", folder / "b.mp4", folder / "**/*.mkv") == ["b.mp4", "c.mkv"]


def test_a_loop_of_links_ends(folder: Path) -> None:
    (folder / "sub" / "again").symlink_to(folder)
    (folder / "self.mp4").symlink_to(folder / "self.mp4")
    assert names(folder) == ["a.MOV", "b.mp4", "self.mp4", "c.mkv", "d.webm"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_list_carries_labels(folder: Path, suffix: str) -> None:
    table = pd.DataFrame(
        {"path": ["b.mp4", "b.mp4", "sub/c.mkv"], "speaker": ["anna", "ben", None],
         "start": [0.0, 2.0, None], "end": [2.0, 4.0, None], "split": ["train", "train", None]}
    )  # fmt: skip
    path = folder / f"list.{suffix}"
    if suffix == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    b, c = find_sources([str(path)])
    assert b.path == folder / "b.mp4"
    assert set(b.labels) == {
        Label(start=0, stop=50, speaker="anna", split="train"),
        Label(start=50, stop=100, speaker="ben", split="train"),
    }
    assert c.labels == (Label(),)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_labels_are_text_in_one_spelling(folder: Path, suffix: str) -> None:
    table = pd.DataFrame(
        {"path": ["b.mp4", "sub/c.mkv", "a.MOV", "sub/deeper/d.webm"],
         "speaker": [" anna ", "Jose\u0301", "  ", "José\t"], "licence": [7.0, None, 8.0, 2.5],
         "split": [" train", "train ", None, "val"]}
    )  # fmt: skip
    path = folder / f"list.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    found = {source.path.name: source.labels[0] for source in find_sources([str(path)])}
    assert found["b.mp4"].speaker == "anna"
    assert found["c.mkv"].speaker == found["d.webm"].speaker == "José"
    assert found["a.MOV"].speaker is found["a.MOV"].split is found["c.mkv"].licence is None
    assert found["b.mp4"].split == found["c.mkv"].split == "train"
    numbers = ("7.0", "2.5") if suffix == "csv" else ("7", "2.5")  # a CSV is text already
    assert (found["b.mp4"].licence, found["d.webm"].licence) == numbers


def test_numbers_are_labels_and_other_things_are_not(folder: Path) -> None:
    path = folder / "list.parquet"
    pd.DataFrame({"path": ["b.mp4"], "speaker": [64]}).to_parquet(path)
    (source,) = find_sources([str(path)])
    assert source.labels == (Label(speaker="64"),)
    assert source.said == (f"{path}: row 1",)
    for column, value, said in (("speaker", b"x", "speaker b'x' is neither text nor a number"),
                                ("split", True, "split True is neither"),
                                ("path", 7, "has no path")):  # fmt: skip
        pd.DataFrame({"path": ["b.mp4"]} | {column: [value]}).to_parquet(path)
        with pytest.raises(InputError, match=f"row 1: {said}"):
            find_sources([str(path)])


def test_further_columns_of_a_csv_list_are_typed_by_what_they_hold(folder: Path) -> None:
    path = folder / "list.csv"
    path.write_text(
        "path, language ,age,mos,consent,subject,note,huge,none\n"
        "b.mp4, Jose\u0301 ,31,.5,true,007,1,1e999,\nsub/c.mkv,,-4,1e3,False,12,x,1, \n",
        encoding="utf-8",
    )
    b, c = find_sources([str(path)])
    assert b.labels[0].extra == (
        ("language", "VARCHAR", "José"), ("age", "BIGINT", "31"), ("mos", "DOUBLE", ".5"),
        ("consent", "BOOLEAN", "true"), ("subject", "VARCHAR", "007"), ("note", "VARCHAR", "1"),
        ("huge", "VARCHAR", "1e999"),
    )  # fmt: skip
    assert c.labels[0].extra == (
        ("age", "BIGINT", "-4"), ("mos", "DOUBLE", "1e3"), ("consent", "BOOLEAN", "False"),
        ("subject", "VARCHAR", "12"), ("note", "VARCHAR", "x"), ("huge", "VARCHAR", "1"),
    )  # fmt: skip


def test_further_columns_of_a_parquet_list_keep_their_types(folder: Path) -> None:
    path = folder / "list.parquet"
    moment = datetime(2024, 5, 17, 9, 30)
    table = pd.DataFrame(
        {"path": ["b.mp4", "sub/c.mkv"], "language": pd.Categorical(["de", None]),
         "age": [31, 4], "mos": [0.25, None], "consent": [True, None],
         "day": [moment.date(), None], "at": [moment, None],
         "heard": [pd.Timestamp(moment, tz="Europe/Berlin"), None], "none": [None, None]},
        index=[4, 7],
    )  # fmt: skip
    table.to_parquet(path)
    b, c = find_sources([str(path)])
    assert b.labels[0].extra == (
        ("language", "VARCHAR", "de"), ("age", "BIGINT", "31"), ("mos", "DOUBLE", "0.25"),
        ("consent", "BOOLEAN", "true"), ("day", "DATE", "2024-05-17"),
        ("at", "TIMESTAMP", "2024-05-17 09:30:00"),
        ("heard", "TIMESTAMPTZ", "2024-05-17 07:30:00+00:00"),
    )  # fmt: skip
    assert c.labels[0].extra == (("age", "BIGINT", "4"),)
    pd.DataFrame({"path": ["b.mp4"], "tags": [["a"]]}).to_parquet(path)
    with pytest.raises(InputError, match=r"list\.parquet: column 'tags' has the type list"):
        find_sources([str(path)])


def test_lists_that_do_not_disagree_are_one_label(folder: Path) -> None:
    (folder / "who.csv").write_text("path,speaker,end\nb.mp4,anna,2\nsub/c.mkv,ben,\n")
    (folder / "what.csv").write_text("path,language,end\nb.mp4,de,2\nsub/c.mkv,fr,3\n")
    (folder / "else.csv").write_text("path,language,end\nb.mp4,nl,2\n")
    lists = [folder / "who.csv", folder / "what.csv"]
    b, c = find_sources(map(str, lists))
    german = (("language", "VARCHAR", "de"),)
    assert b.labels == (Label(stop=50, speaker="anna", extra=german),)
    assert b.said == (f"{lists[0]}: row 1, {lists[1]}: row 1",)
    assert len(c.labels) == 2, "of different ranges"
    b, _ = find_sources(map(str, [*lists, folder / "else.csv"]))
    assert len(b.labels) == 2, "two languages"


BAD_LISTS = {
    "file\nb.mp4\n": "list.csv: no column `path`",
    "path,Status\nb.mp4,red\n": "list.csv: column 'Status': the dataset's tables .*`status`",
    "path,Speaker\nb.mp4,anna\n": "list.csv: column 'Speaker': .* `speaker` already; rename it",
    "path,age,Age\nb.mp4,3,3\n": "list.csv: has two columns 'Age'",
    "path,speaker,speaker\nb.mp4,a,b\n": "list.csv: has two columns 'speaker'",
    ",path\n0,b.mp4\n": "list.csv: column 1 has no name",
    "path,split\nb.mp4,dev\n": "row 1: split 'dev'",
    "path,start\nb.mp4,soon\n": "row 1: 'soon' is not a time",
    "path,start\nb.mp4,-1\n": "row 1: '-1' is not a time",
    "path,start,end\nb.mp4,5,5\n": "row 1: end 5 s is not after start 5 s",
    'path\nb.mp4\n""\n': "row 2: has no path",
    "\x00\xff": "list.csv",
}


@pytest.mark.parametrize("text", BAD_LISTS)
def test_a_bad_list_is_named_with_its_row(folder: Path, text: str) -> None:
    (folder / "list.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=BAD_LISTS[text]) as error:
        find_sources([str(folder / "list.csv")])
    assert "\n" not in str(error.value)


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for argument, said in (("none.mp4", "no such file"), ("empty", "holds no video")):
        with pytest.raises(InputError, match=said):
            find_sources([str(tmp_path / argument)])
    with pytest.raises(InputError, match="no source"):
        find_sources([])


def test_names_of_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff 'quoted'\n.mp4")
    (tmp_path / name).touch()
    (source,) = find_sources([str(tmp_path)])
    assert source.path.name == name


def test_hidden_files_and_folders_are_no_footage(folder: Path) -> None:
    for name in ("._b.mp4", ".b.mp4", "sub/._c.mkv", ".Trashes/e.mp4", "__MACOSX/._b.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert names(folder) == ["a.MOV", "b.mp4", "c.mkv", "d.webm"]
    assert names(folder / "**/*.m*") == ["b.mp4", "c.mkv"]
    assert names(folder / "._b.mp4") == ["._b.mp4"]  # a user means what he names
    (folder / "only").mkdir()
    (folder / "only/._a.mp4").touch()
    with pytest.raises(InputError, match="holds no video"):
        names(folder / "only")


def test_a_list_finds_files_in_another_unicode_form(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "José é.mp4") for form in ("NFC", "NFD"))
    for there, said in ((apart, composed), (composed, apart)):
        folder = tmp_path / unicodedata.normalize("NFD", f"Zoë {len(there)}")
        folder.mkdir()
        (folder / there).touch()
        rows = f"path\n{unicodedata.normalize('NFC', folder.name)}/{said}\n"
        (tmp_path / "list.csv").write_text(rows, encoding="utf-8")
        (source,) = find_sources([str(tmp_path / "list.csv")])
        assert source.path == folder / there
    # Where both are there, each means itself.
    (folder / apart).touch()
    (source,) = find_sources([str(tmp_path / "list.csv")])
    assert source.path == folder / apart
