"""Fetching a registered weights file: verified before it gets its name.

Over https or from a file; plain http only from this machine. A download goes to a temporary name
beside its place, is hashed as it comes, and is moved into place only when the registry's SHA-256
agrees. Nothing else in the project downloads.
"""

import hashlib
import http.client
import ipaddress
import os
import shutil
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from dawn.weights import agrees, folders, registered
from dawn.weights_registry import WeightFile
from manifests.errors import InputError

_BLOCK = 1 << 20
_TIMEOUT_S = 30.0


def fetch(
    name: str,
    *,
    unverified: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Download `name` into the first weights folder and return its path.

    `unverified` accepts a file for which the registry has no SHA-256. `progress` gets the bytes
    so far and in all. Raises InputError: unknown name, no address, no network, another file than
    the registered one, no space.
    """
    entry = registered(name)
    url = _address(name, entry)
    if entry.sha256 is None and not unverified:
        raise InputError(
            f"weights {name!r}: no sha256 is registered, so a download cannot be verified; look at "
            f"{url} and pass --unverified to take it as it comes"
        )
    target = folders()[0] / entry.file_names[0]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target.parent}: cannot be created: {error.strerror}") from error
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        digest = _download(url, temporary, progress)
        if entry.member is not None:
            digest = _unpack(temporary, entry.member, url)
        if entry.sha256 is not None and not agrees(digest, entry.sha256):
            raise InputError(
                f"{url}: its sha256 is {digest}, the registered one {entry.sha256}: not kept"
            )
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _address(name: str, entry: WeightFile) -> str:
    if entry.url is None or not entry.single_file:
        where = entry.url or "its authors"
        raise InputError(f"weights {name!r}: there is no single file to fetch; get it from {where}")
    _check(entry.url)
    return entry.url


def _check(url: str) -> None:
    """Raise InputError for an address that could be read along, or is no file's."""
    parts = urlsplit(url)
    local = parts.hostname is not None and _is_loopback(parts.hostname)
    if parts.scheme in ("https", "file") or (parts.scheme == "http" and local):
        return
    raise InputError(f"{url}: only https and file addresses are fetched")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that could have been given."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """See urllib."""
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, target: Path, progress: Callable[[int, int | None], None] | None) -> str:
    """Write what the address gives; returns its SHA-256."""
    opener: Any = urllib.request.build_opener(_Redirects)
    digest, done = hashlib.sha256(), 0
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as answer, target.open("wb") as file:
            promised = answer.headers.get("Content-Length")
            total = int(promised) if promised and promised.isdigit() else None
            while block := answer.read(_BLOCK):
                file.write(block)
                digest.update(block)
                done += len(block)
                if progress is not None:
                    progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError(f"{url}: the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise InputError(f"{url}: cannot be reached ({error.reason})") from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise InputError(f"{url}: the connection broke ({error}); try again") from error
    if total is not None and done != total:
        raise InputError(f"{url}: the connection broke after {done} of {total} bytes; try again")
    return digest.hexdigest()


def _unpack(archive: Path, member: str, url: str) -> str:
    """Replace a zip by one file of it; returns that file's SHA-256."""
    unpacked = archive.with_name(f"{archive.name}.out")
    try:
        with (
            zipfile.ZipFile(archive) as content,
            content.open(member) as source,
            unpacked.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, _BLOCK)
        unpacked.replace(archive)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{url}: is no zip file with {member} in it") from error
    finally:
        unpacked.unlink(missing_ok=True)
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
