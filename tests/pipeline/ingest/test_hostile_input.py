"""Files that are no proper videos: each ends as a row with a reason, and harms nothing else."""

import hashlib
import os
import re
import socket
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dawn.curation.extraction import ExtractConfig
from dawn.features.sound.read import read_sound
from dawn.features.video.probe import Limits, probe
from dawn.recipe import IngestConfig
from dawn.synthetic.footage import write_footage
from manifests.catalog import rows
from manifests.content_ids import label
from manifests.reasons import Quarantine, Rejection
from manifests.schema import COLUMNS, MEASURED_ANEW
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.ingest import steps as steps
from tests.conftest import ingest_into
from tests.hostile import plain
from tests.hostile_kinds import BAD_NAME, KINDS, NAMES

# Long spans: footage with a hole of hours would else be looked at in hundreds of pieces.
CONFIG = IngestConfig(use_weights=False, extract=ExtractConfig(span_seconds=600))
OTHER_SUFFIX = ("stream.h264", "late-start-64-bit.nut")  # not looked for in folders
NO_FILES = {
    "folder.mp4": None,  # a folder is looked into, not at
    "pipe.mp4": "not_a_file",
    "socket.mp4": "not_a_file",
    "zeros.mp4": "not_a_file",  # a link to a file without end
    "loop.mp4": "not_found|not_a_file",
    "dangling.mp4": "not_found",
    "passwd.mp4": "not_a_video",
}


def named(number: int) -> bytes:
    """A proper film; each number gives other bytes."""
    return plain(frames=5) + struct.pack(">I4sI", 12, b"free", number)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything hostile in one folder, with one good film among it."""
    folder = tmp_path_factory.mktemp("hostile") / "films"
    (film,) = write_footage(folder, kinds=["plain"], seconds=2)
    film.rename(folder / "good.mp4")
    for name, (_, make) in KINDS.items():
        content = make(folder / name)
        if content is not None:
            (folder / name).write_bytes(content)
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(named(number))
    Path(os.fsdecode(os.fsencode(folder) + b"/" + BAD_NAME)).write_bytes(named(len(NAMES)))
    (folder / "folder.mp4").mkdir()
    (folder / "folder.mp4" / "good-again.mp4").write_bytes((folder / "good.mp4").read_bytes())
    os.mkfifo(folder / "pipe.mp4")
    (folder / "zeros.mp4").symlink_to("/dev/zero")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "dangling.mp4").symlink_to("nowhere.mp4")
    (folder / "passwd.mp4").symlink_to("/etc/passwd")
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind("socket.mp4")
    finally:
        os.chdir(here)
    return folder


def content(folder: Path) -> dict[str, str]:
    """What there is below a folder."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "special"
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def ingested(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """All of it in one run, which must leave nothing outside the dataset."""
    root = tmp_path_factory.mktemp("out") / "root"
    before, here = content(folder), Path.cwd()
    empty = tmp_path_factory.mktemp("empty")
    patch = pytest.MonkeyPatch()
    patch.setattr(tempfile, "tempdir", str(empty))
    os.chdir(empty)
    try:
        dataset = ingest_into(root, [folder, *(folder / name for name in OTHER_SUFFIX)], CONFIG)
    finally:
        os.chdir(here)
        patch.undo()
    assert content(folder) == before, "sources were changed"
    assert list(empty.iterdir()) == [], "files were written outside the dataset"
    assert list(root.parent.iterdir()) == [root]
    return dataset


@pytest.fixture(scope="module")
def videos(ingested: Dataset) -> dict[str, dict[str, Any]]:
    """Rows of `videos` by each of their names."""
    return {
        source.rsplit("/", 1)[1]: row
        for row in rows(ingested, "FROM videos")
        for source in row["sources"]
    }


def ending(row: dict[str, Any]) -> str:
    return "read" if row["status"] != "quarantined" else row["reason"]


def test_there_are_many_kinds() -> None:
    assert len(KINDS) + len(NO_FILES) >= 80


@pytest.mark.parametrize("name", [*KINDS, *(n for n, ends in NO_FILES.items() if ends)])
def test_each_kind_ends_with_its_reason(name: str, videos: dict[str, dict[str, Any]]) -> None:
    ends = KINDS[name][0] if name in KINDS else NO_FILES[name]
    row = videos[name]
    assert ending(row) in ends.split("|"), row["detail"]
    if row["status"] == "ok":
        return
    assert row["reason"] in {*Quarantine, *Rejection} - {Quarantine.INTERNAL}
    assert re.fullmatch(r"[^\n]{10,200}", row["detail"]), row["detail"]
    assert "Error" not in row["detail"]
    assert "Traceback" not in row["detail"]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(BAD_NAME)], ids=ascii)
def test_each_name_is_read(name: str, videos: dict[str, dict[str, Any]]) -> None:
    row = videos[label(Path(name))]
    assert row["status"] == "rejected"
    assert row["reason"] == "no_face"
    assert len(row["sources"]) == 1


def test_the_same_bytes_under_two_names_are_one_video(videos: dict[str, dict[str, Any]]) -> None:
    assert videos["good.mp4"] == videos["good-again.mp4"]
    assert len(videos["good.mp4"]["sources"]) == 2


def test_nothing_of_other_files_is_taken_in(ingested: Dataset) -> None:
    """Playlists, scripts and external references that name other files open none of them."""
    names = {"hls.mp4", "hls-passwd.mp4", "concat.mp4", "dash.mp4", "external.mp4", "url.mp4"}
    for row in rows(ingested, "FROM videos WHERE status <> 'quarantined'"):
        if names & {Path(source).name for source in row["sources"]}:
            assert row["clips_total"] == 0
            assert row["width"] == 96


def test_the_dataset_is_sound(ingested: Dataset) -> None:
    assert list(faults(ingested)) == []


def test_the_good_film_is_as_if_it_were_alone(
    ingested: Dataset, folder: Path, tmp_path: Path
) -> None:
    names = [folder / "good.mp4", folder / "folder.mp4" / "good-again.mp4"]
    alone = ingest_into(tmp_path / "alone", names, CONFIG)
    (video,) = rows(alone, "FROM videos")
    assert video["status"] == "ok"
    for table, columns in COLUMNS.items():
        chosen = ", ".join(c.name for c in columns if c.name not in MEASURED_ANEW)
        order = "ORDER BY ALL"
        expected = rows(alone, f"SELECT {chosen} FROM {table} {order}")
        where = f"WHERE video_id = '{video['video_id']}'"
        assert rows(ingested, f"SELECT {chosen} FROM {table} {where} {order}") == expected, table
        assert expected


@pytest.mark.parametrize("name", ["audio-changes-rate.ts", "audio-changes-channels.ts"])
def test_sound_goes_on_where_its_parameters_change(name: str, folder: Path) -> None:
    info = probe(folder / name, Limits())
    samples = read_sound(folder / name, info, 0, 59)
    for begin in (0.2, 1.5):  # the middles of the two halves
        part = samples[int(begin * 16_000) : int((begin + 0.6) * 16_000)]
        assert np.abs(part).max() == pytest.approx(0.3, abs=0.1)
        spectrum = np.abs(np.fft.rfft(part))
        assert spectrum.argmax() / 0.6 == pytest.approx(200, abs=4)


def test_eight_channels_are_averaged(folder: Path) -> None:
    info = probe(folder / "audio-7.1.mp4", Limits())
    samples = read_sound(folder / "audio-7.1.mp4", info, 0, info.frames)
    assert np.abs(samples[4000:12_000]).max() == pytest.approx(0.3, abs=0.1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "locked.mp4").write_bytes(plain())
    (tmp_path / "locked.mp4").chmod(0)
    dataset = ingest_into(tmp_path / "root", [tmp_path / "locked.mp4"])
    (row,) = rows(dataset, "FROM videos")
    assert "Permission denied" in row["detail"]


# --- files that change under the hands ------------------------------------------------------


def meddle(monkeypatch: pytest.MonkeyPatch, step: str, change: Any) -> None:
    """Have `change` done just before a step of the first video."""
    original, done = getattr(steps, step), []

    def meddled(*arguments: Any) -> Any:
        if not done:
            done.append(True)
            change()
        return original(*arguments)

    monkeypatch.setattr(steps, step, meddled)


@pytest.mark.parametrize("step", ["identify", "prepare", "extract", "finish"])
def test_a_file_that_vanishes_in_a_run_is_taken_in_once_it_is_back(
    step: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, other = tmp_path / "a.mp4", tmp_path / "b.mp4"
    data = (folder / "good.mp4").read_bytes()
    film.write_bytes(data)
    other.write_bytes(plain())
    with monkeypatch.context() as patch:
        meddle(patch, step, film.unlink)
        dataset = ingest_into(tmp_path / "root", [tmp_path])
    states = {Path(r["sources"][0]).name: r["reason"] for r in rows(dataset, "FROM videos")}
    assert states == {"a.mp4": "not_found", "b.mp4": "no_face"}
    assert list(faults(dataset)) == []
    film.write_bytes(data)
    dataset = ingest_into(tmp_path / "root", [tmp_path])
    assert {r["status"] for r in rows(dataset, "FROM videos")} == {"ok", "rejected"}
    assert list(faults(dataset)) == []


@pytest.mark.parametrize("step", ["extract", "finish"])
def test_a_file_that_grows_in_a_run_is_taken_in_next_time(
    step: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes((folder / "good.mp4").read_bytes())

    def grow() -> None:
        with film.open("ab") as file:
            file.write(struct.pack(">I4s", 8, b"free"))

    with monkeypatch.context() as patch:
        meddle(patch, step, grow)
        dataset = ingest_into(tmp_path / "root", [film])
    (row,) = rows(dataset, "FROM videos")
    assert row["reason"] == "changed_while_read"
    assert list(faults(dataset)) == []
    dataset = ingest_into(tmp_path / "root", [film])
    assert [r["status"] for r in rows(dataset, "FROM videos ORDER BY status")] == [
        "ok",
        "quarantined",
    ]
    assert list(faults(dataset)) == []
