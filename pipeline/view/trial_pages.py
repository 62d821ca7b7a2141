"""The page that makes a portrait speak."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from dawn.pretrained import sampler_of
from pipeline.serve.uploads import receive
from pipeline.view import trial
from pipeline.view.guard import require_token
from pipeline.view.pages import page
from pipeline.view.trial import Job, Trial, pieces

router = APIRouter(prefix="/try")


class Wanted(BaseModel):
    """What a video is made from."""

    portrait: str
    voice: str
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    pose: Literal["net", "still"] = "net"
    blink: Literal["net", "still"] = "net"
    steps: Annotated[int, Field(ge=1, le=200)] = 20


def _trial(request: Request) -> Trial:
    found: Trial | None = request.app.state.trial
    if found is None:
        raise HTTPException(404, "start dawn view with --checkpoint DIR to try a model")
    return found


Model = Annotated[Trial, Depends(_trial)]


@router.get("")
def show(request: Request) -> HTMLResponse:
    """The page; without a model it says how to give one."""
    found: Trial | None = request.app.state.trial
    told, steps = None, 20
    if found is not None:
        steps = sampler_of(found.model.folder.path).get("steps", steps)
        told = {"size": found.model.folder.size, "device": str(found.model.device),
                "digest": found.model.folder.digest}  # fmt: skip
    return page(
        request, "try.html.j2", model=told, speaks=trial.speaks(), most=trial.MOST_TEXT,
        steps=steps,
        max_seconds=trial.MAX_SECONDS,
    )  # fmt: skip


@router.post("/portrait", dependencies=[Depends(require_token)])
async def portrait(
    request: Request, model: Model, face: Annotated[int | None, Query(ge=1)] = None
) -> JSONResponse:
    """Take a picture, and of its faces one."""
    path = model.place()
    await receive(request, path, trial.PORTRAIT_BYTES, trial.UPLOAD_SECONDS)
    return JSONResponse(await asyncio.to_thread(model.take_portrait, path, face))


@router.post("/voice", dependencies=[Depends(require_token)])
async def voice(request: Request, model: Model) -> JSONResponse:
    """Take a sound."""
    path = model.place()
    await receive(request, path, trial.VOICE_BYTES, trial.UPLOAD_SECONDS)
    return JSONResponse(await asyncio.to_thread(model.take_voice, path))


@router.post("/sentence", dependencies=[Depends(require_token)])
def sentence(model: Model, text: Annotated[str, Body(embed=True)]) -> JSONResponse:
    """Speak a sentence."""
    return JSONResponse(model.speak(text))


@router.get("/portrait/{name}.png")
def portrait_picture(model: Model, name: str) -> Response:
    """The crop of a portrait."""
    data = model.portrait_png(name)
    if data is None:
        raise HTTPException(404, "the portrait is no longer kept")
    return Response(data, media_type="image/png")


@router.get("/voice/{name}.wav")
def voice_sound(model: Model, name: str) -> Response:
    """A voice, to be heard before it is used."""
    path = model.voice_of(name)
    if path is None:
        raise HTTPException(404, "the voice is no longer kept")
    return FileResponse(path, media_type="audio/wav")


@router.post("/videos", dependencies=[Depends(require_token)])
def begin(model: Model, wanted: Wanted) -> JSONResponse:
    """Begin a video."""
    settings = {"pose": wanted.pose, "blink": wanted.blink, "steps": wanted.steps}
    return JSONResponse(
        {"video": model.begin(wanted.portrait, wanted.voice, wanted.seed, settings)}
    )


@router.get("/videos/{name}.mp4")
def video(model: Model, name: str) -> Response:
    """A video: whole once it is made, before that as it comes."""
    job = _job(model, name)
    if job.state == "done":
        return FileResponse(job.path, media_type="video/mp4")
    return StreamingResponse(pieces(job), media_type="video/mp4")


@router.get("/videos/{name}")
def progress(model: Model, name: str) -> JSONResponse:
    """How far a video is."""
    return JSONResponse(_job(model, name).told())


@router.delete("/videos/{name}", dependencies=[Depends(require_token)])
def stop(model: Model, name: str) -> JSONResponse:
    """Do not make the rest."""
    _job(model, name).stopped.set()
    return JSONResponse({})


def _job(model: Trial, name: str) -> Job:
    job = model.job(name)
    if job is None:
        raise HTTPException(404, "there is no such video, or no longer")
    return job
