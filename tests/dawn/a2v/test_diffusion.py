"""Schedule, thresholding, and dropping of conditions."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.a2v.config import A2V_TINY, DiffusionConfig
from dawn.a2v.diffusion import (
    GaussianDiffusion,
    cosine_schedule,
    drop_conditions,
    dynamic_threshold,
    motion_unit,
    quantile,
    resting_motion,
)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 200), fraction=st.floats(0, 1), seed=st.integers(0, 99))
def test_quantile_equals_torchs(n, fraction, seed):
    x = torch.randn(3, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert torch.allclose(quantile(x, fraction), torch.quantile(x, fraction, dim=1))


def test_quantile_takes_what_torchs_refuses():
    x = torch.arange(2**24 + 2, dtype=torch.float32).unsqueeze(0)
    with pytest.raises(RuntimeError, match="too large"):
        torch.quantile(x, 0.9, dim=1)
    assert quantile(x, 0.9) == pytest.approx(0.9 * (2**24 + 1), rel=1e-6)


def test_threshold_scales_each_clip_by_its_own_bound():
    small = torch.linspace(-0.5, 0.5, 60).view(1, 3, 5, 2, 2)
    assert torch.equal(dynamic_threshold(small, 0.9), small)  # the bound is at least 1
    both = dynamic_threshold(torch.cat((small, 10 * small)), 0.9)
    assert torch.equal(both[0], small[0])
    assert both[1].abs().max() == 1
    assert (both[1].abs() == 1).float().mean() == pytest.approx(0.1, abs=0.02)


def test_prediction_inverts_added_noise():
    diffusion = GaussianDiffusion(A2V_TINY)
    z0 = torch.rand(2, 3, 4, 8, 8) * 2 - 1
    noise, times = torch.randn_like(z0), torch.tensor([0, 600])
    z = diffusion.add_noise(z0, times, noise)
    assert torch.allclose(diffusion.predict_z0(z, times, noise), z0, atol=1e-4)


def test_schedule_goes_from_signal_to_noise():
    tables = cosine_schedule(1000)
    assert len(tables) == 12
    assert (tables["alphas_cumprod"].diff() < 0).all()
    assert tables["alphas_cumprod"][0] > 0.999
    assert tables["alphas_cumprod"][-1] < 1e-4
    assert tables["betas"].max() == 0.9999


def test_conditions_are_dropped_by_whole_frames():
    cond = torch.ones(50, 40, 7)
    kept = drop_conditions(cond, 0.1, torch.Generator().manual_seed(0))
    per_frame = kept.sum(-1)
    assert set(per_frame.unique().tolist()) == {0.0, 7.0}
    assert (per_frame == 0).float().mean() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(drop_conditions(cond, 0.0), cond)


def test_loss_is_the_squared_error_of_noise():
    torch.manual_seed(0)
    diffusion = GaussianDiffusion(A2V_TINY)
    size = (2, 3, 5, 8, 8)
    z0, noise, times = torch.randn(size), torch.randn(size), torch.tensor([10, 500])
    features = torch.randn(2, A2V_TINY.unet.feature_channels, 8, 8)
    cond = torch.randn(2, 5, A2V_TINY.unet.cond_dim)
    loss = diffusion.loss(z0, features, cond, times, noise)
    z = diffusion.add_noise(z0, times, noise)
    predicted = diffusion.denoise_fn(z, features, cond, times)
    assert torch.allclose(loss.elementwise, (predicted - noise) ** 2)
    assert torch.equal(loss.noise, loss.elementwise)
    loss.predicted_z0.sum().backward()  # the flow loss needs gradients through thresholding
    assert diffusion.denoise_fn.init_conv.weight.grad.abs().max() > 0


def test_a_network_of_motion_gives_the_noise_that_its_motion_leaves():
    torch.manual_seed(0)
    config = replace(A2V_TINY, diffusion=DiffusionConfig(predicts="motion"))
    diffusion = GaussianDiffusion(config)
    z0 = resting_motion(torch.empty(2, 3, 5, 8, 8)) + 0.1 * torch.randn(2, 3, 5, 8, 8)
    noise, times = torch.randn(z0.shape), torch.tensor([300, 700])
    z = diffusion.add_noise(z0, times, noise)
    exact = (z0 - resting_motion(z0)) / motion_unit(z0)
    assert torch.allclose(diffusion.noise_of(exact, z, times), noise, atol=1e-4)
    unthresholded = resting_motion(z0).clamp(-1, 1) / 2  # nothing beyond 1: left as it is
    half = (unthresholded - resting_motion(z0)) / motion_unit(z0)
    implied = diffusion.predict_z0(z, times, diffusion.noise_of(half.expand_as(z), z, times))
    assert torch.allclose(implied, unthresholded.expand_as(z), atol=1e-4)


def test_loss_of_a_network_of_motion_is_in_units_of_motion():
    torch.manual_seed(0)
    config = replace(A2V_TINY, diffusion=DiffusionConfig(predicts="motion"))
    diffusion = GaussianDiffusion(config)
    z0, noise, times = *torch.randn(2, 1, 3, 4, 8, 8), torch.tensor([400])
    features = torch.randn(1, A2V_TINY.unet.feature_channels, 8, 8)
    cond = torch.randn(1, 4, A2V_TINY.unet.cond_dim)
    loss = diffusion.loss(z0, features, cond, times, noise)
    output = diffusion.denoise_fn(diffusion.add_noise(z0, times, noise), features, cond, times)
    motion = resting_motion(z0) + motion_unit(z0) * output
    assert torch.allclose(loss.elementwise * motion_unit(z0) ** 2, (motion - z0) ** 2, atol=1e-4)
    assert not torch.allclose(loss.noise, loss.elementwise)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="threshold_percentile"):
        DiffusionConfig(threshold_percentile=1.2)
    with pytest.raises(ValueError, match="timesteps"):
        DiffusionConfig(timesteps=1)
