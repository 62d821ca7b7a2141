"""Paths as users type them: absolute, in the file system's own sense; URIs stay."""

from pathlib import Path

import pytest

from manifests.errors import InputError
from manifests.location import local_path, location, split_location


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a link `link` to a folder elsewhere."""
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "far/target").mkdir(parents=True)
    (folder / "link").symlink_to("../far/target")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return folder


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("data", "here/data"),
        ("data/", "here/data"),
        ("./data/../x", "here/x"),
        (".", "here"),
        ("../x", "x"),
        ("link/x", "here/link/x"),
        ("link/../x", "far/x"),
        ("~/x", "home/x"),
        ("~", "home"),
        ("a:b", "here/a:b"),
        ("file://x", "here/x"),
    ],
)
def test_a_path_means_what_the_file_system_says(typed: str, meant: str, tmp_path: Path) -> None:
    assert location(typed) == str(tmp_path / meant)
    assert local_path(typed) == tmp_path / meant
    assert location(location(typed)) == location(typed)


def test_a_user_whom_nobody_knows_is_a_name(here: Path) -> None:
    assert location("~nobody-of-this-name/x") == str(here / "~nobody-of-this-name/x")


@pytest.mark.parametrize("uri", ["s3://b/c/", "memory://x", "simplecache::s3://b/c", "S3://b"])
def test_a_uri_stays_as_it_is(uri: str) -> None:
    assert location(uri) == uri
    assert split_location(f"{uri}:test") == f"{uri}:test"
    with pytest.raises(InputError, match="cannot be a URI"):
        local_path(uri)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("data:test", "here/data:test"),
        (".:all", "here:all"),
        ("..:val", ":val"),
        ("~:train", "home:train"),
        ("real/clips", "here/real/clips"),
    ],
)
def test_a_dataset_may_name_its_split(typed: str, meant: str, tmp_path: Path) -> None:
    expected = f"{tmp_path}{meant}" if meant.startswith(":") else str(tmp_path / meant)
    assert split_location(typed) == expected


@pytest.mark.parametrize("empty", ["", "file://"])
def test_an_empty_path_is_refused(empty: str) -> None:
    with pytest.raises(InputError, match="the path is empty"):
        location(empty)
