"""The application: what all pages share, and the pages of each kind."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from manifests.errors import InputError
from manifests.run_catalog import Conventions
from pipeline.serve.listening import SILENT
from pipeline.view import dataset_pages, results_pages, training_pages, trial_pages
from pipeline.view.guard import HOSTS, guard
from pipeline.view.library import Library
from pipeline.view.media import Media
from pipeline.view.pages import STATIC, page, static_text
from pipeline.view.scores import ScoreBook
from pipeline.view.snapshot import Snapshot
from pipeline.view.trial import Trial


def make_app(
    library: Library, conventions: Conventions, *, edit: bool = False, trial: Trial | None = None
) -> FastAPI:
    """The application over what is in a library. `edit`: clips can be marked; `trial`: there is a
    model to try, which is closed in the end.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        for held in (*app.state.snapshots.values(), app.state.book, app.state.media):
            held.close()
        if trial is not None:
            trial.close()

    app = FastAPI(title="dawn view", lifespan=lifespan, openapi_url=None, telemetry=SILENT)
    app.state.library = library
    app.state.edit, app.state.trial = edit, trial
    app.state.token = secrets.token_urlsafe(24)
    app.state.media = Media()
    app.state.snapshots = {name: Snapshot(data) for name, data in library.datasets.items()}
    runs = [*library.results.values(), *library.generations.values()]
    app.state.book = ScoreBook(runs, conventions)
    app.middleware("http")(guard)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    for pages in (dataset_pages, training_pages, results_pages, trial_pages):
        app.include_router(pages.router)

    @app.get("/")
    def overview(request: Request) -> HTMLResponse:
        told = {name: dataset_pages.summary(s) for name, s in app.state.snapshots.items()}
        return page(
            request, "overview.html.j2", told=told,
            runs={name: training_pages.summary(run) for name, run in library.training.items()},
            systems=results_pages.systems(app.state.book),
            made=results_pages.made(app.state.book),
        )  # fmt: skip

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404)
        return Response(static_text(name), media_type=STATIC[name])

    @app.exception_handler(InputError)
    def refused(request: Request, error: InputError) -> Response:
        return _fault(request, 422, _without_places(library, str(error)))

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        return _fault(request, 422, "; ".join(str(part["msg"]) for part in error.errors()))

    @app.exception_handler(StarletteHTTPException)
    def http_fault(request: Request, error: StarletteHTTPException) -> Response:
        return _fault(request, error.status_code, str(error.detail))

    return app


def _fault(request: Request, status: int, text: str) -> Response:
    """A page for people, JSON for scripts."""
    if "text/html" in request.headers.get("accept", ""):
        return page(request, "fault.html.j2", answers=status, text=text, code=status)
    return JSONResponse({"detail": text}, status)


def _without_places(library: Library, text: str) -> str:
    """A message that says no path of this machine."""
    for name, dataset in library.datasets.items():
        text = text.replace(dataset.uri, name)
    runs = (library.training, library.generations, library.results)
    for name, run in (pair for shelf in runs for pair in shelf.items()):
        text = text.replace(run.folder.uri, name)
    return text
