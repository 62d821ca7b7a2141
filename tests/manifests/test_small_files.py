"""Small files of a store are read whole and many at once; what is read stays the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from manifests import small_files
from manifests.small_files import ReadingAhead, each_opened, opened


class Counting(MemoryFileSystem):
    """A store that counts what would be requests, one after the other."""

    protocol = "counting"
    cachable = False
    store: dict[str, Any] = {}  # noqa: RUF012 - as the base has it
    pseudo_dirs = [""]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        self.asked.append("ls")
        return super().ls(path, detail, **options)

    def info(self, path: str, **options: Any) -> Any:
        self.asked.append("info")
        return super().info(path, **options)

    def cat_ranges(self, *arguments: Any, **options: Any) -> Any:
        self.asked.append("cat_ranges")
        before = len(self.asked)
        found = super().cat_ranges(*arguments, **options)
        del self.asked[before:]  # at once
        return found

    def cat_file(self, *arguments: Any, **options: Any) -> Any:
        self.asked.append("cat_file")
        before = len(self.asked)
        found = super().cat_file(*arguments, **options)
        del self.asked[before:]
        return found

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            self.asked.append("open")
        return super().open(path, mode, **options)


@pytest.fixture
def fs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    monkeypatch.setattr(small_files, "SMALL", 1000)
    monkeypatch.setattr(small_files, "AT_ONCE", 8)
    found = Counting()
    for number in range(20):
        found.pipe_file(f"/parts/{number:02d}", f"{number:02d}".encode() * 10)
    found.pipe_file("/parts/large", b"x" * 5000)
    found.asked.clear()
    yield found
    found.store.clear()


def test_a_small_file_is_one_request_and_a_large_one_is_opened(fs: Counting) -> None:
    with opened(fs, "/parts/03") as file:
        assert file.read() == b"03" * 10
    assert fs.asked == ["cat_file"]
    with opened(fs, "/parts/large") as file:
        file.seek(4990)
        assert file.read() == b"x" * 10
    assert fs.asked == ["cat_file", "cat_file", "open"]
    with pytest.raises(FileNotFoundError):
        opened(fs, "/parts/none")


def test_many_are_fetched_at_once_and_come_in_order(fs: Counting) -> None:
    names = [f"/parts/{number:02d}" for number in range(20)]
    contents = [file.read() for file in each_opened(fs, [*names, "/parts/large"])]
    assert contents == [f"{n:02d}".encode() * 10 for n in range(20)] + [b"x" * 5000]
    assert fs.asked == ["cat_ranges"] * 3 + ["open"]
    with pytest.raises(FileNotFoundError):
        list(each_opened(fs, ["/parts/none"]))


def test_reading_in_order_fetches_ahead(fs: Counting) -> None:
    ahead = ReadingAhead(fs)
    for again in range(2):
        for number in range(20):
            with ahead.open(f"/parts/{number:02d}") as file:
                file.seek(2)
                assert file.read(2) == f"{number:02d}".encode()
        assert fs.asked == ["ls"] + ["cat_ranges"] * 3, again
    with ahead.open("/parts/large") as file:
        assert file.read() == b"x" * 5000
    with pytest.raises(FileNotFoundError):
        ahead.open("/parts/none")


def test_a_folder_is_listed_once_whatever_is_asked_about_it(fs: Counting) -> None:
    ahead = ReadingAhead(fs)
    for _ in range(2):
        assert ahead.glob("/parts/[!.]*[0-9]") == [f"/parts/{n:02d}" for n in range(20)]
        assert ahead.exists("/parts/07")
        assert not ahead.exists("/parts/none")
        assert ahead.info("/parts/large")["size"] == 5000
    assert fs.asked == ["ls"]
    assert ahead.glob("/none/*") == []
    assert ahead.isdir("/parts")
    assert not ahead.isdir("/parts/07")
    assert ahead.info("/parts/07")["size"] == 20
    assert ahead.info("/parts")["type"] == "directory"
    assert ahead.modified("/parts/07") == fs.modified("/parts/07")


def test_what_was_replaced_since_has_the_size_of_what_is_read(fs: Counting) -> None:
    ahead = ReadingAhead(fs)
    assert ahead.info("/parts/07")["size"] == 20
    fs.pipe_file("/parts/07", b"y" * 30)
    fs.pipe_file("/parts/08", b"z" * 5000)
    with ahead.open("/parts/07") as file:
        assert len(file.read()) == ahead.info("/parts/07")["size"] == 30
    with ahead.open("/parts/08") as file:
        assert len(file.read()) == 5000


def test_an_error_of_the_store_is_no_answer(fs: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(fs, "ls", refuses)
    with pytest.raises(PermissionError):
        ReadingAhead(fs).exists("/parts/07")


def test_no_more_is_held_than_allowed(fs: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "HELD", 100)  # five of them
    ahead = ReadingAhead(fs)
    for number in (0, 9, 0, 19):
        with ahead.open(f"/parts/{number:02d}") as file:
            assert file.read() == f"{number:02d}".encode() * 10
        assert sum(map(len, ahead._held.values())) <= 100
