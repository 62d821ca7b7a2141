"""What a GPU measures agrees with the CPU: features within a tenth of `TOLERANCE`, numbers in it.

Random weights of the real networks.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from syncnet_python.SyncNetModel import S

from dawn.device import CPU, TOLERANCE, Placement
from dawn.features.sync.syncnet import SyncNet
from eval.metrics.catalogue import CLIP_METRICS
from eval.metrics.fid import InceptionPool3
from eval.metrics.fvd import I3dLogits
from eval.metrics.interface import Value
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair
from tests.films import drift, hum, write_film
from tests.networks import inception_state, write_i3d, write_squeezenet

pytestmark = pytest.mark.gpu

CARD = ProtocolCard(name="test", size=128, skip_first=0, stride=1, min_frames=2)
PLACES = (CPU, Placement("cuda", 0.25))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    torch.save(inception_state(), folder / "inception.pth")
    torch.manual_seed(0)
    torch.save(S(num_layers_in_fc_layers=1024).state_dict(), folder / "syncnet_v2.model")
    return {
        "fid_inception": folder / "inception.pth",
        "syncnet_v2": folder / "syncnet_v2.model",
        "i3d_k400": write_i3d(folder),
        "squeezenet": write_squeezenet(folder),
    }


def pair(folder: Path, weights: dict[str, Path], place: Placement) -> Pair:
    settings = ClipSettings(card=CARD, weights=weights, place=place)
    clips = []
    for seed in (1, 2):
        film = folder / f"{seed}.mkv"
        if not film.exists():
            write_film(film, drift(40, seed, 12.0), hum(40))
        clips.append(Clip(film, settings))
    return Pair("x", *clips)


@pytest.mark.parametrize("feature", [InceptionPool3(), I3dLogits(16)])
def test_features_agree(feature: Any, weights: dict[str, Path], tmp_path: Path) -> None:
    both = [pair(tmp_path, weights, place) for place in PLACES]
    sides = [feature.extract_all([one.generated, one.reference]) for one in both]
    for here, there in zip(*sides, strict=True):
        assert np.abs(here - there).max() <= TOLERANCE / 10 * np.abs(here).max()


@pytest.mark.parametrize("name", ["lpips_squeeze", "lse_d_wholeframe", "lse_c_wholeframe"])
def test_numbers_agree(name: str, weights: dict[str, Path], tmp_path: Path) -> None:
    (metric,) = [m for m in CLIP_METRICS if m.definition.name == name]
    here, there = (metric.measure(pair(tmp_path, weights, place)) for place in PLACES)
    assert isinstance(here, Value)
    assert isinstance(there, Value)
    assert there.value == pytest.approx(here.value, rel=TOLERANCE)


def test_a_gpu_gives_the_same_bits_again(weights: dict[str, Path]) -> None:
    net = SyncNet(weights["syncnet_v2"], PLACES[1])
    crops = np.random.default_rng(0).integers(0, 256, (80, 224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(net.faces(crops), net.faces(crops))
