"""The U-Net's promises: batches do not mix, slices equal wholes, precision, gradients."""

from dataclasses import replace

import pytest
import torch

from dawn.a2v import frames
from dawn.a2v.config import A2V_TINY, UNetConfig
from dawn.a2v.unet import UNet
from dawn.training.precision import narrowed

CONFIG = A2V_TINY.unet


@pytest.fixture
def unet():
    torch.manual_seed(0)
    net = UNet(CONFIG).eval()
    with torch.no_grad():  # so that gains and biases that start at 1 and 0 count
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def inputs(batch: int = 2, frames: int = 11, size: int = 8):
    generator = torch.Generator().manual_seed(1)
    shapes = {
        "z": (batch, 3, frames, size, size),
        "features": (batch, CONFIG.feature_channels, size, size),
        "cond": (batch, frames, CONFIG.cond_dim),
    }
    given = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return given | {"times": torch.tensor([3, 800, 500])[:batch]}


@pytest.mark.parametrize("window", [None, 4])
def test_batch_of_two_equals_two_of_one(unet, window):
    given = inputs()
    with torch.inference_mode():
        together = unet(**given, window=window)
        apart = [unet(**{k: v[i : i + 1] for k, v in given.items()}, window=window) for i in (0, 1)]
    assert torch.allclose(together, torch.cat(apart), atol=1e-5)


@pytest.mark.parametrize("window", [None, 4])
def test_slices_equal_the_whole(unet, window, monkeypatch):
    given = inputs()
    whole = unet(**given, window=window).detach()  # with gradients nothing is sliced
    for elements in (1, 5000):
        monkeypatch.setattr(frames, "CACHED_ELEMENTS", elements)
        with torch.inference_mode():
            assert torch.allclose(unet(**given, window=window), whole, atol=2e-5)


def test_float32_is_close_to_float64(unet):
    given = inputs()
    with torch.inference_mode():
        single = unet(**given, window=4)
        wide = {k: v.double() if v.is_floating_point() else v for k, v in given.items()}
        double = unet.double()(**wide, window=4)
    assert double.dtype == torch.float64
    assert torch.allclose(single.double(), double, atol=5e-5)


def test_bfloat16_weights_stay_near_and_keep_the_input_type(unet):
    given = inputs()
    with torch.inference_mode():
        exact = unet(**given, window=4)
        narrow = unet.to(torch.bfloat16)(**given, window=4)
    assert narrow.dtype == torch.float32
    assert (narrow - exact).pow(2).mean() < 0.01 * exact.pow(2).mean()


def test_features_may_be_given_for_each_frame(unet):
    given = inputs(frames=5)
    repeated = given["features"].unsqueeze(2).expand(-1, -1, 5, -1, -1)
    with torch.inference_mode():
        still, moving = unet(**given), unet(**given | {"features": repeated})
    assert torch.allclose(still, moving, atol=1e-5)


def test_the_eyes_unit_scales_their_condition_alone(unet):
    given = inputs(frames=3)
    eyes = given["cond"][..., -2:] * -4
    scaled = torch.cat((given["cond"][..., :-2], eyes), dim=-1)
    with torch.inference_mode():
        expected = unet(**given | {"cond": scaled})
        unet.config = replace(unet.config, eye_unit=-0.25)
        assert torch.equal(unet(**given), expected)


def test_a_window_as_long_as_the_clip_is_none(unet):
    given = inputs(frames=11)
    with torch.inference_mode():
        full, wide, narrow = (unet(**given, window=window) for window in (None, 10, 9))
    assert torch.equal(full, wide)
    assert not torch.allclose(full, narrow, atol=1e-4)


def test_gradients_reach_what_is_trained_and_nothing_else(unet):
    given = inputs(frames=4)
    unet.train()(**given).square().mean().backward()
    dead = {name for name, parameter in unet.named_parameters() if not parameter.requires_grad}
    heads = ("final_conv.0.cross_attn_", "occlusion_map.0.cross_attn_")
    assert dead == {name for name, _ in unet.named_parameters() if name.startswith(heads)}
    for name, parameter in unet.named_parameters():
        if name in dead:
            assert parameter.grad is None, name
        else:
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    "wrong",
    [
        {"dim": 12},
        {"dim_mults": ()},
        {"head_dim": 3},
        {"relative_distance": 8},
        {"audio_dim": 0},
        {"eye_unit": 0.0},
    ],
)
def test_sizes_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UNetConfig(**wrong)


@pytest.mark.gpu
def test_cuda_agrees_with_cpu(unet):
    given = inputs()
    with torch.inference_mode():
        here = unet(**given, window=4)
        there = unet.cuda()(**{k: v.cuda() for k, v in given.items()}, window=4).cpu()
    assert torch.allclose(here, there, atol=1e-3)


def test_mixed_precision_training_stays_near_and_finite(unet):
    given = inputs(frames=4)
    exact = unet(**given).detach()
    with narrowed([unet], torch.bfloat16):
        narrow = unet(**given)
        narrow.square().mean().backward()
    assert (narrow - exact).pow(2).mean() < 0.01 * exact.pow(2).mean()
    assert all(p.grad.isfinite().all() for p in unet.parameters() if p.requires_grad)
