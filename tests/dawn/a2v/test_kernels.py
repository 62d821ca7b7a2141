"""The fused kernels against the plain formulas: interpreted on the CPU, and compiled for a GPU."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from dawn.a2v import kernels as package
from dawn.a2v.attention import SpatialLinearAttention, TemporalAttention
from dawn.a2v.conditioning import gate_and_mix
from dawn.a2v.config import A2V_TINY
from dawn.a2v.unet import UNet
from dawn.attention import RelativeBias

pytestmark = [
    pytest.mark.triton,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs Triton"),
]

HERE = "cuda" if torch.cuda.is_available() else "cpu"
"""Without a GPU Triton's interpreter runs the kernels: the environment says so to all tests."""

NEAR = 1e-5 if HERE == "cpu" else 1e-3
"""A GPU's convolutions round their factors to ten bits."""


@pytest.fixture(autouse=True)
def here():
    """Tensors are made where the kernels run."""
    with torch.device(HERE):
        yield


@pytest.fixture
def kernels():
    """The kernels."""
    return importlib.import_module("dawn.a2v.kernels.launch")


@pytest.fixture
def everywhere(kernels, monkeypatch):
    """Networks use the kernels on the CPU too."""
    monkeypatch.setattr(package, "_on_gpu", lambda _: True)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize("adds", [False, True])
def test_group_norm_and_activation(kernels, bias, modulated, adds):
    torch.manual_seed(0)
    x, skip = torch.randn(2, 2, 3, 5, 7, 24)
    gain, offset, added = torch.randn(3, 24)
    wide = torch.randn(2, 60)
    scale_shift = wide[:, 5:53] if modulated else None  # not contiguous, as a split is not
    expected = 3 * x + (added if bias else 0)
    expected = F.group_norm(expected.movedim(-1, 1), 4, gain, offset, 1e-5).movedim(1, -1)
    if scale_shift is not None:
        scale, shift = scale_shift[:, None, None, None].chunk(2, -1)
        expected = expected * (scale + 1) + shift
    expected = F.silu(expected) + (skip if adds else 0)
    x = 3 * x
    affine = kernels.group_affine_of(x, 4, gain, offset, 1e-5, added if bias else None, scale_shift)
    assert torch.allclose(kernels.activated(x, affine, skip if adds else None), expected, atol=NEAR)


def test_statistics_of_many_blocks_and_far_means(kernels, monkeypatch):
    """A mean a thousand times the spread, over more rows than a program holds."""
    monkeypatch.setattr(kernels, "TILE", 64)
    torch.manual_seed(0)
    x = (
        torch.randn(
            1,
            3,
            9,
            11,
            8,
        )
        + 1000
    )
    gain, offset = torch.ones(8), torch.zeros(8)
    expected = F.group_norm(x.double().movedim(-1, 1), 2, eps=1e-5).movedim(1, -1)
    affine = kernels.group_affine_of(x, 2, gain, offset, 1e-5, None, None)
    normed = x.double() * affine[0, 0].double() + affine[0, 1].double()
    assert (normed - expected).abs().max() < 2e-3  # float32 of 1000 has steps of 6e-5


@pytest.mark.parametrize("gain", [False, True])
def test_channel_norm(kernels, gain):
    x, by = torch.randn(5, 7, 24), torch.randn(24)
    expected = F.layer_norm(x, (24,), by if gain else None, eps=1e-5)
    assert torch.allclose(kernels.channel_norm(x, by if gain else None, 1e-5), expected, atol=NEAR)


@pytest.mark.parametrize(("frames", "window"), [(1, 4), (30, 5), (70, 10), (150, 40), (20, None)])
def test_attention_over_frames(everywhere, frames, window):
    torch.manual_seed(0)
    layer, relative = TemporalAttention(12, 2, 16), RelativeBias(2, 32, 32)
    x, normed = torch.randn(2, 2, frames, 1, 3, 12)
    with torch.inference_mode():
        relative.relative_attention_bias.weight.mul_(3)
        with package.without_kernels():
            plain = layer(normed.flatten(2, 3), layer.prepare(relative, frames, window))
        prepared = layer.prepare(relative, frames, window)
        assert prepared.fused is not None
        fused = layer.added_to(x.clone(), normed, prepared)
    assert torch.allclose(fused, x + plain.view_as(x), atol=NEAR)


@pytest.mark.parametrize("pixels", [9, 16, 300])
def test_attention_over_pixels(everywhere, pixels):
    torch.manual_seed(0)
    layer = SpatialLinearAttention(12, 2, 16)
    x, normed = torch.randn(2, 2, 3, 1, pixels, 12)
    with torch.inference_mode():
        plain = layer(normed.flatten(2, 3)).view_as(x)
        fused = layer.added_to(x.clone(), normed)
    assert torch.allclose(fused, x + plain, atol=NEAR)


@pytest.mark.parametrize("channels", [24, 80])
def test_conditions(kernels, channels):
    torch.manual_seed(0)
    q, directions = torch.randn(2, 3, 20, 192), torch.randn(2, 3, 3, 8, 8)
    rows = torch.randn(2, 3, 3, 9, channels)
    products = rows @ rows.transpose(-1, -2) / channels
    hidden, affine = torch.randn(2, 3, 20, channels), torch.randn(2, 2, channels)
    expected = gate_and_mix(q, directions, products, rows)
    expected += F.silu(hidden * affine[:, None, None, 0] + affine[:, None, None, 1])
    mixed = kernels.with_conditions(q, directions, products, rows, hidden, affine, 1e-5, 1e-24)
    assert torch.allclose(mixed, expected, atol=2 * NEAR)


def test_the_whole_network(everywhere):
    torch.manual_seed(0)
    config = replace(A2V_TINY.unet, dim=8, heads=1, head_dim=16)
    network = UNet(config).eval()
    given = {
        "z": torch.randn(2, 3, 4, 4, 4),
        "features": torch.randn(2, config.feature_channels, 4, 4),
        "cond": torch.randn(2, 4, config.cond_dim),
        "times": torch.tensor([3, 800]),
    }
    with torch.inference_mode():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        before = given["z"].clone()
        fused = network(**given, window=2)
        assert torch.equal(given["z"], before)
        with package.without_kernels():
            plain = network(**given, window=2)
    assert torch.allclose(fused, plain, atol=2 * NEAR)


def test_nothing_is_fused_where_gradients_are_wanted(everywhere):
    x = torch.zeros(1)
    assert package.fused(x) is None
    with torch.no_grad():
        assert package.fused(x) is not None
        assert package.fused(x.double()) is None
        with package.without_kernels():
            assert package.fused(x) is None


@pytest.mark.slow
def test_they_compile_for_an_h100():
    """The interpreter takes what the compiler does not, such as variables that change kind."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    command = [sys.executable, str(Path(__file__).parent / "compile_kernels.py")]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    shared = dict(line.split() for line in made.stdout.splitlines())
    assert len(shared) == 7
    assert max(map(int, shared.values())) <= 100 * 1024  # two programs fit a processor
