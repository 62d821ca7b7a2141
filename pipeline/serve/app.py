"""The HTTP interface: portraits are kept in memory, recordings on disk while they are used."""

import asyncio
import logging
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dawn.features.faces.picture import read_picture
from dawn.sampling.portrait import Portrait, find_portrait
from manifests.errors import InputError
from pipeline.serve.listening import SILENT
from pipeline.serve.settings import Limits
from pipeline.serve.uploads import GONE, receive
from pipeline.serve.videos import Studio, TooLongError, Video

_LOOK_EVERY_S = 0.5

log = logging.getLogger("dawn.serve")


class Portraits:
    """Those that were sent, by names that cannot be guessed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Portrait] = OrderedDict()
        self.finding = asyncio.Lock()
        """Detectors follow one face at a time."""

    def keep(self, portrait: Portrait) -> str:
        """Its name."""
        name = secrets.token_urlsafe(16)
        self._kept[name] = portrait
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return name

    def of(self, name: str) -> Portrait:
        """The portrait of a name, or the answer 404."""
        if name not in self._kept:
            raise HTTPException(404, "there is no such portrait, or no longer; send it again")
        self._kept.move_to_end(name)
        return self._kept[name]


def make_app(studio: Studio, limits: Limits, hosts: list[str] | None = None) -> FastAPI:
    """The application; `hosts` are the only names it answers to, None: any.

    It closes the studio in the end.
    """
    portraits = Portraits(limits.portraits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(studio.close)

    app = FastAPI(
        title="dawn serve", lifespan=lifespan, docs_url=None, redoc_url=None, telemetry=SILENT
    )
    if hosts is not None:  # a page of another site cannot pass as this one
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        folder = studio.model.folder
        return {
            "status": "ok", "model": folder.digest, "size": folder.size,
            "device": str(studio.model.device), "places_taken": studio.places,
            "places": limits.videos + limits.waiting,
        }  # fmt: skip

    @app.post("/portraits", status_code=201)
    async def send_portrait(
        request: Request, face: Annotated[int | None, Query(ge=1)] = None
    ) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="dawn-") as folder:
            path = Path(folder) / "portrait"
            await receive(request, path, limits.portrait_bytes, limits.upload_seconds)
            async with portraits.finding:
                found = await asyncio.to_thread(_portrait, path, studio.model.folder.size, face)
        return {"portrait": portraits.keep(found), "faces": found.faces, "face": found.face}

    @app.post("/videos", response_class=StreamingResponse)
    async def make_video(
        request: Request, portrait: str, seed: Annotated[int, Query(ge=0, lt=2**63)] = 0
    ) -> Response:
        face = portraits.of(portrait)
        if not studio.take_place():
            raise HTTPException(
                503, "too many videos are being made; try again later",
                headers={"Retry-After": str(limits.retry_after_s)},
            )  # fmt: skip
        folder = tempfile.TemporaryDirectory(prefix="dawn-")

        def over() -> None:
            folder.cleanup()
            studio.free_place()

        try:
            path = Path(folder.name) / "recording"
            await receive(request, path, limits.recording_bytes, limits.upload_seconds)
            video = Video(face, path, seed)
            studio.begin(video, over)
        except BaseException:
            over()
            raise
        first = await _first(request, video)
        return StreamingResponse(video.rest(first), media_type="video/mp4")

    @app.exception_handler(InputError)
    async def unusable(_: Request, error: InputError) -> Response:
        return _answer(422, str(error))

    @app.exception_handler(TooLongError)
    async def too_long(_: Request, __: TooLongError) -> Response:
        return _answer(413, f"a recording may last {limits.max_seconds:g} s at most")

    return app


def _portrait(path: Path, size: int, face: int | None) -> Portrait:
    """The portrait in a file that a client sent: one of its faces, else the largest."""
    with path.open("rb") as file:
        head = file.read(12)
    webp = head.startswith(b"RIFF") and head.endswith(b"WEBP")
    if not webp and not head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        # Pillow reads more kinds, some by calling other programs
        raise InputError("the portrait: give a JPEG, PNG or WebP file")
    try:
        return find_portrait(read_picture(path), size, "the portrait", face)
    except InputError as error:
        raise InputError(str(error).replace(str(path), "the portrait")) from None


async def _first(request: Request, video: Video) -> bytes:
    """The first piece, so that what is wrong can still be answered; stops where the client goes."""
    coming = asyncio.ensure_future(video.next())
    try:
        while not coming.done():
            await asyncio.wait({coming}, timeout=_LOOK_EVERY_S)
            if not coming.done() and await request.is_disconnected():
                raise GONE
        piece = coming.result()
    except BaseException as error:
        video.stop()
        coming.cancel()
        if isinstance(error, Exception) and not isinstance(
            error, InputError | TooLongError | HTTPException
        ):
            log.exception("a video failed")
            raise HTTPException(500, "the video could not be made") from error
        raise
    if piece is None:
        raise HTTPException(500, "the video is empty")
    return piece


def _answer(status: int, text: str) -> Response:
    return JSONResponse({"detail": text}, status)
