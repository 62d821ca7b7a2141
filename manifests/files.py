"""Files by path or URI: whether they lie on this machine, and copies of those that do not."""

from pathlib import Path

import fsspec


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether it is this machine's disk."""
    return "file" in protocols(fs)


def protocols(fs: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    """The names of a file system in URIs."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def local_copy(uri: str, folder: Path) -> Path:
    """The file itself where it is local, else a copy in `folder`, which is made."""
    fs, path = fsspec.core.url_to_fs(uri)
    if is_local(fs):
        return Path(path)
    folder.mkdir()
    target = folder / path.rsplit("/", 1)[-1]
    fs.get_file(path, str(target))
    return target
