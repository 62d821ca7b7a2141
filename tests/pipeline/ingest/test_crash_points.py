"""An ingest that dies at any change it makes to the disk: the next one ends as if nothing had been.

Every write, move and deletion of a whole run is a place to die, one after the other.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dawn.curation.decisions import FilterConfig
from dawn.curation.extraction import ExtractConfig
from dawn.features.faces.crop import CropConfig
from dawn.recipe import IngestConfig, Recipe
from manifests import atomic_write, store
from manifests.store import Dataset
from manifests.validate import faults
from pipeline.cluster.executor import InProcess
from pipeline.ingest import steps as steps
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
from pipeline.ingest.sources import find_sources
from tests.hostile import Film, faces, plain
from tests.remembered import remembering
from tests.tables import contents

BASE = IngestConfig(
    use_weights=False,
    extract=ExtractConfig(span_seconds=4),
    filters=FilterConfig(min_face_px=40.0, min_voiced=None, min_mouth_moves=None),
)
OTHER_FILTER = replace(BASE, filters=replace(BASE.filters, min_face_px=50.0, min_seconds=0.2))
OTHER_CROP = replace(BASE, extract=ExtractConfig(span_seconds=4, crop=CropConfig(size=64)))
LITTER = ("parts are named", "media are named", "nothing is half done")
"""What a run that died may leave until the next one; all else would be half visible."""


class DiedError(BaseException):
    """Stands in for a kill: no `except Exception` catches it."""


class Saboteur:
    """Counts changes to the disk and dies just before the n-th."""

    def __init__(self, at: int | None = None) -> None:
        self.count, self._at = 0, at

    def __call__(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self._at:
                raise DiedError
            return change(*arguments, **options)

        return changed


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two spans with a clip each, and one without a face."""
    folder = tmp_path_factory.mktemp("films")
    Film(folder / "face.mp4").pictures(faces(112)).sound(4.5).close()
    (folder / "none.mp4").write_bytes(plain())
    return folder


@pytest.fixture(scope="module", autouse=True)
def remembered_extraction() -> Iterator[None]:
    """Extraction is done once a span; after that its files are copied. It is the same each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "extract_span", remembering({}))
        yield


def run(root: Path, films: Path, config: IngestConfig) -> None:
    dataset, recipe = Dataset(str(root)), Recipe.resolve(config)
    adopt(dataset, recipe, update=True)
    ingest(find_sources([str(films)]), dataset, recipe, InProcess())


def sabotaged(root: Path, films: Path, config: IngestConfig, at: int | None) -> int:
    """Run until the n-th change; returns how many were made."""
    saboteur = Saboteur(at)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (Dataset, "move"), (Dataset, "delete"), (Dataset, "delete_folder"),
            (atomic_write, "rename"), (store, "rename"), (Path, "mkdir"),
        ):  # fmt: skip
            patch.setattr(owner, name, saboteur(getattr(owner, name)))
        patch.setattr(store, "shutil", SimpleNamespace(rmtree=saboteur(shutil.rmtree)))
        if at is None:
            run(root, films, config)
        else:
            with pytest.raises(DiedError):
                run(root, films, config)
    return saboteur.count


@pytest.mark.parametrize("every", [29, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("before", "after", "least"),
    [(None, BASE, 28), (BASE, OTHER_FILTER, 6), (BASE, OTHER_CROP, 25)],
    ids=["new", "other filter", "other crop"],
)
def test_a_death_at_any_change_is_mended_by_the_next_run(
    before: IngestConfig | None,
    after: IngestConfig,
    least: int,
    every: int,
    films: Path,
    tmp_path: Path,
) -> None:
    base, expected = tmp_path / "base", tmp_path / "expected"
    run(tmp_path / "warm", films, after)  # first use of libraries makes folders of its own
    if before is not None:
        run(base, films, before)
        shutil.copytree(base, expected)
    changes = sabotaged(expected, films, after, None)
    wanted = contents(expected)
    assert changes >= least
    assert wanted["clips"]
    for at in range(changes, 0, -every):
        root = tmp_path / str(at)
        if before is not None:
            shutil.copytree(base, root)
        sabotaged(root, films, after, at)
        dataset = Dataset(str(root))
        visible = [fault for fault in faults(dataset) if not fault.startswith(LITTER)]
        assert visible == [], f"dead at change {at}"
        run(root, films, after)
        assert contents(root) == wanted, f"after death at change {at}"
        assert list(faults(dataset)) == [], f"after death at change {at}"
        named = [{p.name for p in folder.iterdir()} - {"seen"} for folder in (root, expected)]
        assert named[0] == named[1]
        shutil.rmtree(root)


def test_two_deaths_in_a_row_lose_no_order_to_sweep(films: Path, tmp_path: Path) -> None:
    """The second run dies where it has barely begun, and the third has other sources."""
    root = tmp_path / "root"
    changes = sabotaged(tmp_path / "count", films, BASE, None)
    sabotaged(root, films, BASE, changes // 3)
    for at in (1, 2, 3, 4):
        sabotaged(root, films / "none.mp4", BASE, at)
    run(root, films / "none.mp4", BASE)
    assert list(faults(Dataset(str(root)))) == []
    assert list((root / "media").glob("*/*")) == []
