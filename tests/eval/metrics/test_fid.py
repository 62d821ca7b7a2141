from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from eval.metrics import networks
from eval.metrics.degradation import Degradation
from eval.metrics.fid import FID, KID, InceptionPool3
from eval.metrics.interface import TooFewError
from eval.metrics.networks import Inception2015
from eval.metrics.set_distances import kernel
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings
from tests.films import drift, write_film
from tests.networks import inception_state

CARD = ProtocolCard(name="test", size=128, skip_first=0, stride=1, min_frames=2)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return inception_state()


@pytest.fixture
def reference(state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """pytorch-fid's own network with these weights."""
    from pytorch_fid import inception

    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
    return inception.InceptionV3([3]).eval()


def test_features_are_pytorch_fid_s(state: dict[str, Tensor], reference: torch.nn.Module) -> None:
    pictures = np.stack(drift(2))
    with torch.inference_mode():
        ours = Inception2015(dict(state), "test")(networks.to_tensor(pictures))
        theirs = reference(networks.to_tensor(pictures))[0][:, :, 0, 0]
    assert theirs.std() > 0.01, "the random network must tell pictures apart"
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The `disp` argument")  # pytorch-fid 0.3.0 passes it
@pytest.mark.filterwarnings("ignore:Matrix is singular")  # fewer pictures than dimensions
def test_fid_of_png_folders_is_pytorch_fid_s(
    state: dict[str, Tensor],
    reference: torch.nn.Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pytorch_fid import fid_score

    monkeypatch.setattr(networks, "inception", lambda *_: Inception2015(dict(state), "test"))
    settings = ClipSettings(card=CARD, weights={"fid_inception": tmp_path})
    sides = []
    for side, noise in (("a", 4.0), ("b", 30.0)):
        folder = tmp_path / side
        folder.mkdir()
        parts = []
        for seed in range(2):
            pictures = drift(3, seed, noise)
            for k, picture in enumerate(pictures):
                Image.fromarray(picture).save(folder / f"{seed}-{k}.png")
            film = write_film(tmp_path / f"{side}{seed}.mkv", pictures)
            parts.append(InceptionPool3().extract(Clip(film, settings)))
        sides.append(parts)
    ours = FID.distance(sides[0], sides[1], CARD)
    folders = [str(tmp_path / side) for side in "ab"]
    theirs = fid_score.calculate_fid_given_paths(folders, 3, "cpu", 2048, num_workers=0)
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_batches_do_not_matter(
    state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Inception2015(dict(state), "test")
    monkeypatch.setattr(networks, "inception", lambda *_: net)
    settings = ClipSettings(card=CARD, weights={"fid_inception": tmp_path})
    film = write_film(tmp_path / "a.mkv", drift(3))
    one, many = (InceptionPool3(batch=size).extract(Clip(film, settings)) for size in (1, 8))
    np.testing.assert_allclose(one, many, rtol=1e-5, atol=1e-6 * np.abs(many).max())


def rows(clips: int, n: int, seed: int, shift: float = 0.0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [(random.normal(size=(n, 32)) + shift).astype(np.float32) for _ in range(clips)]


def test_kid_is_the_unbiased_estimate() -> None:
    x, y = rows(4, 9, 1), rows(3, 11, 2, 0.5)
    a, b = np.concatenate(x).astype(float), np.concatenate(y).astype(float)

    def k(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (p @ q.T / 32 + 1) ** 3

    def within(p: np.ndarray) -> float:
        return float((k(p, p).sum() - np.trace(k(p, p))) / (len(p) * (len(p) - 1)))

    assert KID.distance(x, y, CARD) == pytest.approx(within(a) + within(b) - 2 * k(a, b).mean())


def test_kid_of_many_rows_takes_evenly_spaced_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.metrics.set_distances.KERNEL_ROWS", 20)
    monkeypatch.setattr("eval.metrics.set_distances._BLOCK", 7)
    x, y = np.concatenate(rows(1, 100, 1)), np.concatenate(rows(1, 100, 2, 0.2))
    monkeypatch.setattr("eval.metrics.set_distances.KERNEL_ROWS", 10**6)
    expected = kernel([x[::4][:13], x[::4][13:]], [y[::4][:13], y[::4][13:]])
    monkeypatch.setattr("eval.metrics.set_distances.KERNEL_ROWS", 20)
    for size in (9, 50):
        parts = [[z[i : i + size] for i in range(0, 100, size)] for z in (x, y)]
        assert kernel(parts[0], parts[1]) == pytest.approx(expected)


def test_one_clip_has_no_distance() -> None:
    for metric in (FID, KID):
        with pytest.raises(TooFewError, match="1 generated clip with 9 rows"):
            metric.distance(rows(1, 9, 1), rows(3, 9, 2), CARD)


def test_degradation_compares_the_ends() -> None:
    real = rows(6, 60, 1)
    steady = rows(6, 60, 2)
    worse = [part + np.linspace(0, 3, 60, dtype=np.float32)[:, None] for part in steady]
    card = ProtocolCard(name="test", stride=1)
    assert abs(Degradation(25).distance(steady, real, card)) < 0.3
    assert Degradation(25).distance(worse, real, card) > 3
    assert Degradation(25).distance([p[::-1] for p in worse], real, card) < -0.7
    with pytest.raises(TooFewError, match="fewer than two clips of 100 frames"):
        Degradation(50).distance(worse, real, card)
    # At stride 5, 25 frames are 5 rows.
    thin = [part[::5] for part in worse]
    assert Degradation(25).distance(thin, real, ProtocolCard(name="t", stride=5)) > 3
