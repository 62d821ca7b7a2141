"""An application over rendered footage, results with hostile names, runs and a small model."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from manifests.store import Dataset
from pipeline.query import conventions
from pipeline.view.app import make_app
from pipeline.view.library import Library, find
from pipeline.view.trial import Trial
from tests.boards import HOSTILE, HOSTILE_CLIP, write_system
from tests.films import drift, hum, write_film
from tests.models import write_model
from tests.run_folders import write_generations, write_training

Ask = Callable[..., httpx2.Response]


def answered(app: FastAPI, method: str, address: str, **given: Any) -> httpx2.Response:
    """One request, in this process."""

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, address, **given)

    return asyncio.run(ask())


def asking(app: FastAPI) -> Ask:
    """Requests with the token of the application's pages, unless headers are given."""

    def ask(address: str, method: str = "GET", **given: Any) -> httpx2.Response:
        given.setdefault("headers", {"X-Dawn-Token": app.state.token, "accept": "text/html"})
        return answered(app, method, address, **given)

    return ask


def picture(path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 32), "teal").save(path)


@pytest.fixture(scope="session")
def folders(once: Any) -> Path:
    """Results, runs and a model beside each other. Tests must not change them."""

    def make(root: Path) -> None:
        root.mkdir()
        video = write_film(root / "film.mp4", drift(25, 0), hum(25))
        write_system(root / "results/good", "good", 1.0, 1, video)
        write_system(root / "results/bad", HOSTILE, -1.0, 3)
        write_system(root / "results/static", "static", -2.0, 5, baseline="static")
        write_training(root / "runs/a2v", "a2v", {"loss": [3.0, 2.0, 1.5], "val/loss": [2.0] * 3})
        write_training(root / "runs/lfg", "lfg", {"loss": [9.0, 4.0], "lr": [0.1, 0.1]})
        for step in (10, 20):
            picture(root / f"runs/a2v/pictures/sample-{step:09d}.png")
        items = [
            {"item": HOSTILE, "clip_id": HOSTILE_CLIP, "video": "videos/a.mp4", "duration_s": 1.0},
            {"item": "gone", "clip_id": None, "video": None, "status": "failed",
             "reason": "bad_input"},
        ]  # fmt: skip
        write_generations(root / "made", items, system="made by it")
        (root / "made/videos").mkdir()
        write_film(root / "made/videos/a.mp4", drift(25, 1), hum(25))
        write_model(root / "model")

    return once("view", make)


@pytest.fixture(scope="session")
def library(dataset: Dataset, folders: Path) -> Library:
    targets = [dataset.path, *(str(folders / name) for name in ("results", "runs", "made"))]
    return find(targets, conventions().kinds)


@pytest.fixture(scope="session")
def trial(folders: Path) -> Trial:
    return Trial(folders / "model", "cpu")


@pytest.fixture(scope="session")
def app(library: Library, trial: Trial) -> FastAPI:
    """Read-only, with a model to try."""
    return make_app(library, conventions(), trial=trial)


@pytest.fixture(scope="session")
def ask(app: FastAPI) -> Ask:
    return asking(app)


@pytest.fixture(scope="session")
def data(library: Library) -> str:
    """The address of the dataset."""
    (name,) = library.datasets
    return f"/data/{name}"
