"""Rendered clips, decoded and meshed once for all tests here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.features.faces.landmarks import FaceMesh
from dawn.synthetic.footage import footage_kinds
from dawn.synthetic.truth import Truth, read_truth, truth_path


@dataclass
class Clip:
    """One rendered clip with what can be measured of it."""

    path: Path
    truth: Truth = field(init=False)

    def __post_init__(self) -> None:
        self.truth = read_truth(truth_path(self.path))

    @cached_property
    def decoded(self) -> list[av.VideoFrame]:
        with av.open(str(self.path)) as file:
            return list(file.decode(video=0))

    @cached_property
    def frames(self) -> list[NDArray[np.uint8]]:
        """Upright RGB."""
        turns = self.truth.rotation // 90
        return [np.rot90(f.to_ndarray(format="rgb24"), -turns) for f in self.decoded]

    @cached_property
    def sound(self) -> tuple[NDArray[np.float32], int]:
        with av.open(str(self.path)) as file:
            rate = file.streams.audio[0].rate
            blocks = list(file.decode(audio=0))
        assert blocks[0].pts == 0
        return np.concatenate([block.to_ndarray()[0] for block in blocks]), rate

    @cached_property
    def mesh(self) -> NDArray[np.float32]:
        """(frames, 478, 3)."""
        with FaceMesh() as finder:
            found = [finder.detect(frame) for frame in self.frames]
        assert all(points is not None for points in found)
        return np.stack(found)


@pytest.fixture(scope="session")
def clip(footage: Path) -> Callable[[str], Clip]:
    """The clip of a kind."""
    return cache(lambda kind: Clip(footage / f"{kind}.mp4"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take a `face_kind` run once for every kind that shows a face."""
    if "face_kind" in metafunc.fixturenames:
        kinds = [kind.name for kind in footage_kinds() if kind.people and not kind.damage]
        metafunc.parametrize("face_kind", kinds)
