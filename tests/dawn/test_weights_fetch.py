"""Fetching weights, against a server on this machine."""

import functools
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dawn import weights
from dawn.weights import REGISTRY, State, WeightFile
from dawn.weights_fetch import fetch
from manifests.errors import InputError

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("inner.bin", CONTENT)
    return buffer.getvalue()


class Server(BaseHTTPRequestHandler):
    """Whole, cut off, gone, elsewhere, zipped."""

    def do_GET(self) -> None:
        status, headers, body = {
            "/whole": (200, {}, CONTENT),
            "/cut": (200, {"Content-Length": str(len(CONTENT) + 9)}, CONTENT),
            "/zip": (200, {}, archive()),
            "/file": (302, {"Location": "file:///etc/passwd"}, b""),
            "/plain": (302, {"Location": "http://example.org/x"}, b""),
            "/near": (302, {"Location": "/whole"}, b""),
        }.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def register(
    monkeypatch: pytest.MonkeyPatch, url: str | None, sha256: str | None = DIGEST, **more: str
) -> None:
    make = functools.partial(WeightFile, purpose="", enables="", licence="", sha256=sha256, **more)
    monkeypatch.setitem(REGISTRY, "thing", make(file_names=("sub/a.bin",), url=url))


def left(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("page", ["/whole", "/near"])
def test_a_file_is_verified_and_put_in_place(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    register(monkeypatch, server + page)
    seen: list[tuple[int, int | None]] = []
    path = fetch("thing", progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert weights.status("thing").state is State.VERIFIED
    assert left(folder) == ["sub/a.bin"]


def test_another_file_is_not_kept_and_the_old_one_stays(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a.bin").write_bytes(b"old")
    register(monkeypatch, server + "/whole", "0" * 64)
    with pytest.raises(InputError, match=f"its sha256 is {DIGEST}, the registered one 0000"):
        fetch("thing")
    assert left(folder) == ["sub/a.bin"]
    assert (folder / "sub/a.bin").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("/cut", "broke"),
        ("/missing", "the server answers 404"),
        ("/file", "passwd. is not allowed"),
        ("/plain", "http://example.org/x: only https"),
    ],
)
def test_what_the_server_does_wrong_is_one_line(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, page: str, message: str
) -> None:
    register(monkeypatch, server + page)
    with pytest.raises(InputError, match=message) as caught:
        fetch("thing")
    assert "\n" not in str(caught.value)
    assert left(folder) == []


def test_no_network_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "http://127.0.0.1:9/a.bin")
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9/a\.bin: cannot be reached") as caught:
        fetch("thing")
    assert "\n" not in str(caught.value)
    register(monkeypatch, "https://host.invalid/a.bin")
    with pytest.raises(InputError, match="cannot be reached"):
        fetch("thing")


@pytest.mark.parametrize(
    "url", ["http://example.org/a", "ftp://example.org/a", "data:,x", "http://127.0.0.1.evil.org/"]
)
def test_only_safe_addresses(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    register(monkeypatch, url)
    with pytest.raises(InputError, match="only https and file addresses"):
        fetch("thing")


def test_a_file_address_and_an_archive(
    server: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    register(monkeypatch, source.as_uri())
    assert fetch("thing").read_bytes() == CONTENT
    register(monkeypatch, server + "/zip", member="inner.bin")
    assert fetch("thing").read_bytes() == CONTENT
    register(monkeypatch, server + "/zip", member="other.bin")
    with pytest.raises(InputError, match=r"no zip file with other\.bin"):
        fetch("thing")
    assert left(folder) == ["sub/a.bin"]


def test_what_cannot_be_verified_takes_a_word(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, server + "/whole", None)
    with pytest.raises(InputError, match="pass --unverified"):
        fetch("thing")
    assert fetch("thing", unverified=True).read_bytes() == CONTENT
    register(monkeypatch, None)
    with pytest.raises(InputError, match="no single file"):
        fetch("thing")
    with pytest.raises(InputError, match="no weights named 'nothing'"):
        fetch("nothing")


def test_registered_digests_are_digests() -> None:
    for name, entry in REGISTRY.items():
        if entry.sha256 is not None:
            whole = entry.sha256.replace("…", "")
            assert set(whole) <= set("0123456789abcdef"), name
            assert len(entry.sha256) == 64 or "…" in entry.sha256, name
