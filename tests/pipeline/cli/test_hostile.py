"""What users get wrong on the command line: one line that says what to do, and exit code 2."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from manifests.catalog import rows
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cli import app as cli
from tests.conftest import ROOT, ingest_into
from tests.hostile import plain


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(plain())
    return path


class Refused:
    """Runs `dawn …` in this process and wants exit code 2 and one line on stderr."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd
        self._root = tmp_path / "root"

    def __call__(self, *arguments: object, root: Path | None = None) -> str:
        words = ["dawn", "ingest", *map(str, arguments), "--dataset", str(root or self._root)]
        self._monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        _, errors = self._capfd.readouterr()
        assert exit_.value.code == 2
        assert one_line(errors)
        assert not self._root.exists(), "something was written"
        return errors


def one_line(errors: str) -> bool:
    """An error as users should see it."""
    return re.fullmatch(r"error: [^\n]+\n", errors) is not None and "Traceback" not in errors


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Refused:
    return Refused(monkeypatch, capfd, tmp_path)


LISTS = {
    "no path column": (b"speaker\nanna\n", "no column `path`"),
    "no rows of text": (b"\x00\x01\x02PK\xff\xfe" * 30, "cannot be read as a list"),
    "unknown column": (b"path,spaeker\nfilm.mp4,anna\n", "unknown column 'spaeker'"),
    "too many cells": (b"path\nfilm.mp4,anna\n", "row 1"),
    "bad split": (b"path,split\nfilm.mp4,trian\n", "'trian' is not one of train, val, test"),
    "no time": (b"path,start\nfilm.mp4,soon\n", "'soon' is not a time in seconds"),
    "negative time": (b"path,start\nfilm.mp4,-1\n", "'-1' is not a time"),
    "no number": (b"path,end\nfilm.mp4,nan\n", "'nan' is not a time"),
    "endless": (b"path,end\nfilm.mp4,inf\n", "'inf' is not a time"),
    "end before start": (b"path,start,end\nfilm.mp4,3,2\n", "end 2 s is not after start 3 s"),
    "no frame between": (b"path,start,end\nfilm.mp4,1.000,1.001\n", "not after start"),
    "empty path": (b"path,speaker\n,anna\n", "row 1: has no path"),
    "a zero byte in a path": (b"path\nfi\0lm.mp4\n", "row 1"),
    "an open quote": (b'path\n"film.mp4\n', "cannot be read as a list"),
    "nothing": (b"", "no column `path`"),
    "only a header": (b"path\n", "no source"),
}


@pytest.mark.parametrize("what", LISTS)
def test_broken_lists_are_refused(what: str, film: Path, refused: Refused) -> None:
    content, message = LISTS[what]
    (film.parent / "list.csv").write_bytes(content)
    assert message in refused(film.parent / "list.csv")


def test_a_broken_parquet_list_is_refused(film: Path, refused: Refused) -> None:
    (film.parent / "list.parquet").write_bytes(b"PAR1" + bytes(50) + b"PAR1")
    assert "cannot be read as a list" in refused(film.parent / "list.parquet")


CONFIGS = {
    "unknown key": (b"filtres: {}\n", "unknown key 'filtres'"),
    "unknown nested key": (b"filters: {min_face: 3}\n", "unknown key 'min_face'"),
    "another type": (b"filters: {min_face_px: large}\n", "expected float, got 'large'"),
    "a list": (b"- 1\n- 2\n", "expected `key: value` lines"),
    "no mapping": (b"filters: 3\n", "expected `key: value` settings"),
    "syntax": (b"filters: {min_face_px: [\n", "is not valid YAML"),
    "bytes": (b"\xff\xfe\x00\x01", "is not valid YAML"),
    "code": (b"!!python/object/apply:os.system ['touch pwned']\n", "is not valid YAML"),
    "out of bounds": (b"extract: {span_seconds: 1}\n", "not between 4 and 600"),
    "a key that is no text": (b"3: 4\n", "unknown key"),
    "keys of two kinds": (b"3: 4\nx: 5\n", "unknown key"),
    "not a number": (b"splits: {val: .nan}\n", "must leave a share"),
    "a tiny crop": (b"extract: {crop: {size: 0}}\n", "size"),
    "no detection": (b"extract: {faces: {detect_every: 0}}\n", "detect_every"),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_broken_configurations_are_refused(what: str, film: Path, refused: Refused) -> None:
    content, message = CONFIGS[what]
    (film.parent / "config.yaml").write_bytes(content)
    assert message in refused(film, "--config", film.parent / "config.yaml")
    assert not Path("pwned").exists()


def test_a_configuration_that_is_not_there(film: Path, refused: Refused) -> None:
    assert "cannot be read" in refused(film, "--config", film.parent / "none.yaml")
    assert "cannot be read" in refused(film, "--config", film.parent)


def test_sources_that_are_not_there(film: Path, refused: Refused) -> None:
    assert "no such file" in refused(film.parent / "none.mp4")
    assert "no such file" in refused(film.parent / "*.mkv")
    (film.parent / "folder").mkdir()
    assert "holds no video" in refused(film.parent / "folder")


def test_a_dataset_path_that_cannot_be_one(film: Path, refused: Refused) -> None:
    (film.parent / "foreign").mkdir()
    (film.parent / "foreign" / "thesis.txt").write_text("mine")
    assert "is a file" in refused(film, root=film)
    assert "film.mp4" in refused(film, root=film / "below")
    assert "holds other files" in refused(film, root=film.parent / "foreign")
    assert "too long" in refused(film, root=film.parent / ("x" * 300)).lower()
    assert sorted(p.name for p in (film.parent / "foreign").iterdir()) == ["thesis.txt"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe garbage", b"[]", b"{}", b'{"format": "one"}', b'{"format": 1}', b"null",
     b'{"format": 1, "recipe": 3}', b'{"format": 99}'],
)  # fmt: skip
def test_garbage_in_dataset_json(content: bytes, film: Path, refused: Refused) -> None:
    root = film.parent / "broken"
    root.mkdir()
    (root / "dataset.json").write_bytes(content)
    assert "dataset.json" in refused(film, root=root) or b"99" in content
    assert (root / "dataset.json").read_bytes() == content
    assert refused(film, "--update-recipe", root=root)


def test_more_workers_than_there_are_cpus(film: Path, refused: Refused) -> None:
    assert "CPUs" in refused(film, "--workers", 9999)


# --- the real command -----------------------------------------------------------------------


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]


def dawn(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True)


def test_an_address_where_nothing_answers(film: Path) -> None:
    root = film.parent / "root"
    result = dawn("ingest", film, "--dataset", root, "--address", "127.0.0.1:9")
    assert result.returncode == 2
    assert one_line(result.stderr)
    assert "no Ray cluster answers" in result.stderr


def test_a_dry_run_of_odd_files_writes_nothing(film: Path) -> None:
    folder = film.parent / "x["
    folder.mkdir()
    (folder / "red].mp4").write_bytes(plain())
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.mp4")).write_bytes(plain())
    os.mkfifo(folder / "pipe.mp4")
    (folder / "zeros.mp4").symlink_to("/dev/zero")
    result = dawn("ingest", folder, film, "--dataset", film.parent / "root", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "5 sources, 2 of them cannot be opened" in result.stdout
    assert not (film.parent / "root").exists()


@pytest.fixture
def busy(film: Path, tmp_path: Path) -> Iterator[Path]:
    """A dataset that another process is writing to."""
    root = tmp_path / "busy"
    ingest_into(root, [film])
    code = (
        "from manifests.store import Dataset\n"
        f"with Dataset({str(root)!r}).writing(): print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    yield root
    holder.send_signal(signal.SIGKILL)
    holder.wait()


@pytest.mark.parametrize("update", [False, True])
def test_a_second_ingest_is_refused_and_changes_nothing(
    update: bool, busy: Path, film: Path, refused: Refused, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"use_weights: false\nfilters: {{min_face_px: {70.0 if update else 64.0}}}\n")
    before = {path: path.read_bytes() for path in busy.rglob("*") if path.is_file()}
    flags = ["--update-recipe"] if update else []
    assert "another dawn command is writing" in refused(film, "--config", config, *flags, root=busy)
    assert {path: path.read_bytes() for path in busy.rglob("*") if path.is_file()} == before


def test_the_dataset_inside_the_footage_is_not_taken_for_footage(
    footage_face: Path, tmp_path: Path
) -> None:
    root = footage_face.parent / "data"
    for _ in range(2):
        dataset = ingest_into(root, [footage_face.parent])
        (row,) = rows(dataset, "FROM videos")
        assert row["clips_total"] == 1


@pytest.fixture
def footage_face(tmp_path: Path) -> Path:
    from tests.hostile import Film, faces

    path = tmp_path / "films" / "face.mp4"
    path.parent.mkdir()
    Film(path).pictures(faces()).sound().close()
    return path


# --- a full disk ----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte; needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can make a small disk")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line_and_goes_on_once_there_is_room(
    small_disk: Path, footage_face: Path, tmp_path: Path
) -> None:
    root = small_disk / "root"
    config = tmp_path / "config.yaml"
    config.write_text("use_weights: false\n")
    first = tmp_path / "first.mp4"
    first.write_bytes(plain())
    dataset = ingest_into(root, [first])
    ballast = small_disk / "ballast"
    free = shutil.disk_usage(small_disk).free
    ballast.write_bytes(bytes(free - 60_000))
    result = dawn("ingest", footage_face, "--dataset", root, "--config", config, "--workers", 1)
    assert result.returncode == 2, result.stderr
    assert one_line(result.stderr)
    assert "space" in result.stderr
    (row,) = rows(dataset, "FROM videos")
    assert row["sources"] == [str(first)]
    ballast.unlink()
    ingest_into(root, [footage_face])
    assert list(faults(dataset)) == []
    assert len(rows(dataset, "FROM videos")) == 2


@pytest.mark.parametrize(
    ("call", "code"), [*((n, errno.ENOSPC) for n in range(1, 12, 2)), (1, errno.EDQUOT)]
)
def test_a_disk_that_fills_at_any_write(
    call: int, code: int, footage_face: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    calls = iter(range(1, 1000))
    publish = Dataset.publish

    def full(self: Dataset, temporary: Path, name: str) -> None:
        if next(calls) >= call:
            raise OSError(code, os.strerror(code))
        publish(self, temporary, name)

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "publish", full)
        with pytest.raises(OSError, match=os.strerror(code)):
            ingest_into(tmp_path / "root", [footage_face])
    dataset = Dataset(str(tmp_path / "root"))
    assert rows(dataset, "FROM videos") == []
    ingest_into(tmp_path / "root", [footage_face])
    assert [row["status"] for row in rows(dataset, "FROM videos")] == ["rejected"]
    assert list(faults(dataset)) == []
