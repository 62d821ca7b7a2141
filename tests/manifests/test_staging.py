"""Files of object stores on this machine: fetched once, bounded, gone when unused for longest."""

import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from manifests.errors import InputError
from manifests.staging import at_hand, keep_at_hand


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAWN_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}"


def put(uri: str, content: bytes) -> str:
    fs, path = fsspec.core.url_to_fs(uri)
    fs.pipe_file(path, content)
    return uri


def entries(scratch: Path) -> set[str]:
    return {file.name for file in scratch.rglob("*") if file.is_file() and file.suffix != ".lock"}


def test_a_file_is_fetched_once_and_again_when_it_changed(
    scratch: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = put(f"{store}/a.mp4", b"one")
    with at_hand(uri) as path:
        assert (path.name, path.read_bytes()) == ("a.mp4", b"one")
    with monkeypatch.context() as patch:
        fs = fsspec.filesystem("memory")
        patch.setattr(type(fs), "get_file", lambda *_: pytest.fail("it was fetched again"))
        with at_hand(uri) as path:
            assert path.read_bytes() == b"one"
    put(uri, b"two!")
    with at_hand(uri) as path:
        assert path.read_bytes() == b"two!"


def test_what_is_not_used_goes_when_room_is_needed_and_what_is_used_stays(
    scratch: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAWN_SCRATCH_GB", "0.00001")  # 10 kB
    for name in ("a", "b", "c", "d"):
        put(f"{store}/{name}", name.encode() * 4000)
    with at_hand(f"{store}/a") as used:
        for name in ("b", "c", "d"):
            with at_hand(f"{store}/{name}"):
                pass
        assert used.read_bytes() == b"a" * 4000
        assert entries(scratch) == {"a", "d"}
    assert len([*scratch.glob("*.lock")]) == 2


def test_an_interrupted_fetch_leaves_nothing_that_counts(
    scratch: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, fs = put(f"{store}/a", b"whole"), fsspec.filesystem("memory")

    def half(_: object, remote: str, local: str) -> None:
        Path(local).write_bytes(b"wh")
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(type(fs), "get_file", half)
        with pytest.raises(ConnectionResetError), at_hand(uri):
            pass
    assert entries(scratch) == set()
    with at_hand(uri) as path:
        assert path.read_bytes() == b"whole"


def test_a_folder_stays_while_its_process_lives_and_no_longer(
    scratch: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAWN_SCRATCH_GB", "0.000001")
    held = """
import sys, fsspec
from manifests.staging import at_hand, keep_at_hand
fs = fsspec.filesystem("memory")
for name in ("model/lfg/lfg.json", "model/other/x", "b"):
    fs.pipe_file(f"/{name}", b"x" * 900)
folder = keep_at_hand("memory://model", lambda name: name.startswith("lfg/"))
assert keep_at_hand("memory://model", lambda name: name.startswith("lfg/")) == folder
with at_hand("memory://b"):
    pass
print(*sorted(str(p.relative_to(folder)) for p in folder.rglob("*")))
"""
    done = subprocess.run(
        [sys.executable, "-c", held], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["lfg", "lfg/lfg.json"]
    with at_hand(put(f"{store}/c", b"c" * 900)):  # its process ended
        assert entries(scratch) == {"c"}


def test_files_of_this_machine_are_read_where_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a::b.mp4"
    file.write_bytes(b"x")
    with at_hand(file) as path:
        assert path == file
    assert keep_at_hand(str(tmp_path), lambda _: True) == tmp_path


def test_what_is_not_there_is_said(
    scratch: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError), at_hand(f"{store}/none"):
        pass
    with pytest.raises(FileNotFoundError):
        keep_at_hand(f"{store}/none", lambda _: True)
    put(f"{store}/a", b"x")
    monkeypatch.setenv("DAWN_SCRATCH_GB", "much")
    with pytest.raises(InputError, match="DAWN_SCRATCH_GB=much: give a number"):  # noqa: SIM117
        with at_hand(f"{store}/a"):
            pass
