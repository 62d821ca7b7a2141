"""An S3 server that fails as it is told to: `python -m tests.stormy_s3 PORT`.

moto's server behind a gate. `POST /storm` with a `Storm` as JSON begins one, `{}` ends it;
`GET /storm` answers how many requests came since. Each request's fate is drawn from the storm's
seed.
"""

import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

ERROR = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Chances a request: of an error, of a connection that is cut before or after the work is done,
    of an answer that takes up to `slow_s`; and from the n-th request on seconds without a server.
    """

    seed: int = 0
    error: float = 0
    cut: float = 0
    lost: float = 0
    slow: float = 0
    slow_s: float = 0.3
    outage_from: int = 0
    outage_s: float = 0


class Gate:
    """A WSGI application before another."""

    def __init__(self, inner: Callable[..., Iterable[bytes]]) -> None:
        self._inner, self._lock = inner, threading.Lock()
        self._begin(Storm())

    def _begin(self, storm: Storm) -> None:
        self._storm, self._chance = storm, random.Random(storm.seed)
        self._requests, self._back = 0, 0.0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/storm":
            return self._told(environ, start)
        with self._lock:
            storm, drawn = self._storm, [self._chance.random() for _ in range(5)]
            self._requests += 1
            if storm.outage_s and self._requests == storm.outage_from:
                self._back = time.monotonic() + storm.outage_s
            out = time.monotonic() < self._back
        if out or drawn[0] < storm.cut:
            return _hang_up(environ)
        if drawn[1] < storm.slow:
            time.sleep(drawn[2] * storm.slow_s)
        if drawn[3] < storm.error:
            # read, else the client, still sending, sees a broken connection instead
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("503 Slow Down", [("Content-Type", "application/xml")])
            return [ERROR]
        if drawn[4] < storm.lost:
            list(self._inner(environ, lambda *_: None))
            return _hang_up(environ)
        return self._inner(environ, start)

    def _told(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            if environ["REQUEST_METHOD"] == "POST":
                content = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
                self._begin(Storm(**json.loads(content)))
            start("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"requests": self._requests, **asdict(self._storm)}).encode()]


def _hang_up(environ: dict[str, Any]) -> Iterable[bytes]:
    """Close the connection without a word: the server's own attempt to answer then fails."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return []


def main(port: int) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, run_simple

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
            """Nothing: a cut connection is meant."""

    app = Gate(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", port, app, threaded=True, request_handler=Quiet)


if __name__ == "__main__":
    main(int(sys.argv[1]))
