import numpy as np
import pytest
import torch
from syncnet_python.SyncNetModel import S
from torch import nn

from dawn.features.sync.towers import PictureTower, SoundTower, flat, pooling, steps
from tests.networks import lively


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made = S(num_layers_in_fc_layers=64)
    for part in made.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm3d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.8, 1.2)
            nn.init.normal_(part.bias, 0, 0.1)
    lively(made)
    return made.eval()


@pytest.mark.parametrize("windows", [1, 8, 11])
def test_windows_have_the_network_s_features(network: nn.Module, windows: int) -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (windows + 4, 224, 224, 3), np.uint8)
    pixels = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float()
    with torch.inference_mode():
        parts = [network.forward_lip(pixels[:, :, t : t + 5]) for t in range(windows)]
    expected = torch.cat(parts)
    ours = PictureTower(network.netcnnlip, network.netfclip)(frames)
    assert ours.shape == (windows, 64)
    assert (ours - expected).abs().max() < 1e-4 * expected.abs().max()


def test_sound_has_the_network_s_features(network: nn.Module) -> None:
    cepstra = torch.randn(5, 1, 13, 20) * 10
    with torch.inference_mode():
        expected = network.forward_aud(cepstra)
        ours = SoundTower(network.netcnnaud, network.netfcaud)(cepstra)
    assert (ours - expected).abs().max() < 1e-4 * expected.abs().max()


def test_a_layer_across_frames_is_not_flattened() -> None:
    with pytest.raises(ValueError, match="across frames"):
        flat(nn.Conv3d(2, 2, 3))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d((3, 3), (2, 2), (1, 1)),
        nn.MaxPool2d((3, 3), (1, 2)),
        nn.MaxPool2d((1, 1), (1, 1)),
        nn.MaxPool2d(3, 2),
    ],
)
@pytest.mark.parametrize("size", [(26, 26), (13, 20), (11, 9)])
def test_pools_are_pytorch_s(pool: nn.MaxPool2d, size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size) - 5  # zeros around them would be the largest
    ours = pooling(pool)(maps.permute(2, 3, 0, 1).contiguous())
    assert torch.equal(ours.permute(2, 3, 0, 1), pool(maps))


def test_a_layer_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="no step"):
        steps([nn.Conv2d(2, 2, 3, stride=2, padding=1)])
