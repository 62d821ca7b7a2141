"""Pages of training runs: curves over each other, samples, and how far a run is."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from manifests.location import Place
from manifests.run_search import Run
from pipeline.view import training
from pipeline.view.pages import page

router = APIRouter(prefix="/training")

Chosen = Annotated[list[str] | None, Query()]


def summary(run: Run) -> dict[str, Any]:
    """What the overview tells of a run."""
    told = training.curves(run)
    return {key: told[key] for key in ("step", "steps", "seconds")}


@router.get("")
def runs(request: Request, run: Chosen = None) -> HTMLResponse:
    """Curves of the chosen runs over each other."""
    shelf = request.app.state.library.training
    chosen = _chosen(shelf, run)
    return page(
        request, "training.html.j2", runs={key: summary(one) for key, one in shelf.items()},
        chosen=chosen, recipes={key: training.recipe_text(shelf[key]) for key in chosen},
    )  # fmt: skip


@router.get("/curves")
def curves(request: Request, run: Chosen = None, seen: str = "") -> JSONResponse:
    """Curves and samples of runs; only `seen` where nothing is new since then."""
    shelf = request.app.state.library.training
    chosen = _chosen(shelf, run)
    stamp = "|".join(training.stamp(shelf[key]) for key in chosen)
    if stamp == seen:
        return JSONResponse({"seen": stamp})
    return JSONResponse({"seen": stamp, "runs": [training.curves(shelf[key]) for key in chosen]})


@router.get("/{run}/picture/{kind}/{step}.png")
def picture(request: Request, run: str, kind: str, step: int) -> Response:
    """A sample that a run drew."""
    found = request.app.state.library.training.get(run)
    if found is None or step not in training.pictures(found).get(kind, ()):
        raise HTTPException(404, "there is no such picture")
    place = Place(found.folder.fs, found.folder.path, found.folder.local)
    sent: Response = request.app.state.media.inside(place, training.picture_name(kind, step))
    return sent


def _chosen(shelf: dict[str, Run], names: list[str] | None) -> list[str]:
    """The runs that an address names, all where it names none; 404 for another."""
    for name in names or ():
        if name not in shelf:
            raise HTTPException(404, "there is no such training run here")
    return list(dict.fromkeys(names or shelf))
