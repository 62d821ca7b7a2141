"""`dawn vote serve`: the page over HTTP, and a place for its answers."""

import asyncio
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.errors import InputError
from pipeline.progress import console, errors
from pipeline.votes.study import MOST_BYTES, PAGE, Study

if TYPE_CHECKING:
    from starlette.applications import Starlette


def make_app(study: Study, hosts: list[str] | None) -> "Starlette":
    """The page's files, and `POST /votes`; `hosts` are the names it answers to (None: any)."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    async def take(request: Request) -> Response:
        content = b""
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST_BYTES:
                return JSONResponse({"error": "too many answers"}, 413)
        try:
            # A CSV would be anybody's ratings: what is posted comes from the page.
            if not content.lstrip().startswith(b"{"):
                raise InputError("the answers: are no JSON")
            votes, new = study.add(content, "the answers")
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"votes": votes, "new": new})

    return Starlette(
        routes=[
            Route("/votes", take, methods=["POST"]),
            Mount("/", StaticFiles(directory=study.folder / PAGE, html=True)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)] if hosts else [],
    )


def serve_study(folder: Path, host: str, port: int) -> None:
    """Serve until told to stop. Raises InputError where it cannot begin."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise InputError("dawn vote serve needs uvicorn: pip install 'dawn-pipeline[serve]'")
    import uvicorn

    from pipeline.serve.listening import is_loopback, listening

    study = Study(folder)
    _ = study.key
    local = is_loopback(host)
    if not local:
        errors.print(
            f"warning: --host {host}: whoever reaches this machine can vote, without a log-in and "
            "without encryption",
            markup=False,
        )
    with listening(host, port) as socket:
        address = socket.getsockname()
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        hosts = ["127.0.0.1", "localhost", "[::1]", name] if local else None
        config = uvicorn.Config(
            make_app(study, hosts), log_level="warning", access_log=False, server_header=False
        )
        console.print(f"voting on http://{name}:{address[1]} (Ctrl-C ends it)", markup=False)
        with suppress(KeyboardInterrupt):
            asyncio.run(uvicorn.Server(config).serve(sockets=[socket]))
    console.print("ended", markup=False)
