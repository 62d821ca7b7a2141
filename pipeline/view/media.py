"""Videos and pictures to the browser: whole or in ranges, never from outside a folder."""

import tempfile
import threading
from collections import OrderedDict
from pathlib import Path, PurePosixPath

from fastapi import HTTPException
from fastapi.responses import FileResponse, Response

from manifests.location import Place, protocols

KINDS = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".mkv": "video/x-matroska",
    ".mov": "video/quicktime", ".avi": "video/x-msvideo", ".mpg": "video/mpeg",
    ".ogv": "video/ogg", ".png": "image/png", ".jpg": "image/jpeg",
}  # fmt: skip
"""What is sent, by the end of its name; nothing else is."""
_KEPT = 64
"""Files of object stores that are kept at hand."""


class Media:
    """Sends files; of an object store, copies in a folder that goes with this object."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dawn-view-")
        self._copies: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Remove the copies."""
        self._folder.cleanup()

    def inside(self, root: Place, name: str) -> Response:
        """A file of a folder by its name below it, as a row has it: 404 for what lies outside."""
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/"):
            raise _gone()
        if root.local:
            path, folder = Path(root.path, name).resolve(), Path(root.path).resolve()
            if not path.is_relative_to(folder):  # a link that leads out
                raise _gone()
        return self.file(Place(root.fs, f"{root.path}/{name}", root.local))

    def elsewhere(self, uri: str, beside: Place) -> Response:
        """A video that results name by a place of its own. What lies on another file system than
        the results is not fetched: the rows may have been written by anybody.
        """
        protocol, address, _ = uri.partition("://")
        if "::" in uri or (address and protocol not in ("file", *protocols(beside.fs))):
            raise HTTPException(404, "it lies elsewhere than the results and is not fetched")
        return self.file(Place.of(uri))

    @staticmethod
    def there(uri: str | None) -> bool:
        """Whether a video that results name may be sent; of an object store it is hoped."""
        if uri is None or "://" in uri:
            return uri is not None
        return Path(uri).suffix.lower() in KINDS and Path(uri).is_file()

    def file(self, place: Place) -> Response:
        """The answer with a file, or 404."""
        kind = KINDS.get(PurePosixPath(place.path).suffix.lower())
        if kind is None:
            raise _gone()
        path = Path(place.path) if place.local else self._copy(place)
        if not path.is_file():  # a device or a pipe has no end
            raise _gone()
        return FileResponse(path, media_type=kind)

    def _copy(self, place: Place) -> Path:
        with self._lock:
            if place.uri in self._copies:
                self._copies.move_to_end(place.uri)
                return self._copies[place.uri]
            try:
                folder = Path(tempfile.mkdtemp(dir=self._folder.name))
                path = self._copies[place.uri] = place.fetched(folder)
            except OSError:
                raise _gone() from None
            while len(self._copies) > _KEPT:
                self._copies.popitem(last=False)[1].unlink(missing_ok=True)
            return path


def _gone() -> HTTPException:
    return HTTPException(404, "there is no such file, or no longer")
