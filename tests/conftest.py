"""What all tests share: material beside the checkout, rendered footage, one Ray, one dataset."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch

from dawn.recipe import IngestConfig, Recipe
from dawn.synthetic.footage import write_footage
from manifests.store import Dataset
from pipeline.executor import InProcess, OnRay
from pipeline.ingest import adopt, ingest
from pipeline.sources import find_sources

SHARED = Path(__file__).parents[2] / "shared"

cv2.setNumThreads(1)
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_user_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no weights but those they put there: results do not depend on the machine."""
    monkeypatch.setenv("DAWN_WEIGHTS", "/nonexistent")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real footage and weights beside the checkout; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs real footage and weights in {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole set of rendered sample videos with their truth."""
    folder = tmp_path_factory.mktemp("footage")
    write_footage(folder)
    return folder


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """The one Ray of all tests."""
    executor = OnRay(workers=2)
    yield
    executor.close()


@pytest.fixture(scope="session")
def dataset(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The sample footage ingested in this process. Tests must not change it."""
    root = tmp_path_factory.mktemp("dataset") / "root"
    return ingest_into(root, [footage])


def ingest_into(
    root: Path, sources: list[Path], config: IngestConfig | None = None, *, update: bool = False
) -> Dataset:
    """Ingest in this process, without optional networks unless the configuration asks for them."""
    target = Dataset(str(root))
    recipe = Recipe.resolve(config or IngestConfig(use_weights=False))
    adopt(target, recipe, update=update)
    ingest(find_sources([str(source) for source in sources]), target, recipe, InProcess())
    return target
