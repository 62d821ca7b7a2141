"""An S3 server in a process of its own, on this machine's loopback."""

import contextlib
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec

from tests.clusters import free_port

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def s3_server(folder: Path, *, stormy: bool = False) -> Iterator[dict[str, str]]:
    """Serve until the end; gives the environment in which clients find it. Its log is in `folder`,
    one line a request. A stormy one fails as it is told to (`tests/stormy_s3.py`).
    """
    port = free_port()
    program = ["tests.stormy_s3", str(port)]
    if not stormy:
        program = ["moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "s3.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *program], stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
        )
        try:
            end = time.monotonic() + 120
            while not _answers(port):
                assert server.poll() is None, (folder / "s3.log").read_text()
                assert time.monotonic() < end, "the S3 server does not answer"
                time.sleep(0.1)
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            server.terminate()
            server.wait(60)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def new_bucket() -> str:
    """The URI of an empty bucket, as the environment says where."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    # Endpoints are read from the environment when a client is made: none of another server's.
    fs = fsspec.filesystem("s3", skip_instance_cache=True)
    fs.mkdir(name)
    type(fs).clear_instance_cache()
    return f"s3://{name}"
