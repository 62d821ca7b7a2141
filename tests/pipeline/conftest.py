"""Small videos to evaluate."""

from pathlib import Path

import pytest

from tests.films import drift, hum, write_film


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three real clips."""
    folder = tmp_path_factory.mktemp("real")
    for seed in range(3):
        write_film(folder / f"clip{seed}.mkv", drift(20, seed), hum(20))
    return folder


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, noisier."""
    folder = tmp_path_factory.mktemp("fake")
    for seed in range(3):
        write_film(folder / f"clip{seed}.mkv", drift(20, seed, 20), hum(20))
    return folder


@pytest.fixture
def card(tmp_path: Path) -> str:
    path = tmp_path / "card.yaml"
    path.write_text("name: small\nsize: 128\nstride: 3\n")
    return str(path)
