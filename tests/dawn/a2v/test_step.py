"""A step on a GPU, proved without one: what it launches, where its tensors lie and how."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dawn.a2v.config import A2V_128, A2V_TINY
from dawn.a2v.diffusion import GaussianDiffusion
from dawn.a2v.frames import CACHED_ELEMENTS, ClipGroupNorm, FrameConv, slice_elements
from dawn.a2v.sampling import SamplerConfig, sample, schedule_of
from dawn.a2v.step import step_for, take_step
from dawn.attention import ALIGNED, RelativeBias, bias_blocks
from dawn.layout import channels_last

WAITING = {"aten._local_scalar_dense.default", "aten.nonzero.default", "aten.equal.default"}
"""A device must finish what it was given before their answer is known."""


class Watch(TorchDispatchMode):
    """Counts operations that launch something, and notes what a graph could not hold."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.launched, self.faults = device, Counter(), set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = str(function)
        if not function.is_view:
            self.launched[name] += 1
        tensors = [value for value in (*args, result) if isinstance(value, torch.Tensor)]
        if name in WAITING or any(tensor.device.type != self.device for tensor in tensors):
            self.faults.add(name)
        return result


def given(config, frames, device):
    """Diffusion, motion, what is prepared, time and coefficients."""
    with torch.device(device):
        diffusion = GaussianDiffusion(config).eval().to(device)
        side, unet = config.latent_size, config.unet
        features = torch.zeros(1, unet.feature_channels, side, side)
        with torch.inference_mode():
            prepared = diffusion.prepare(features, torch.zeros(1, frames, unet.cond_dim), 40, 1.0)
        z = torch.zeros(1, 3, frames, side, side)
        return diffusion, z, prepared, torch.zeros(1, dtype=torch.long), torch.zeros(1, 4)


@pytest.mark.parametrize("predicts", ["noise", "motion"])
def test_a_step_can_be_captured_and_launches_little(predicts):
    """On `meta` every value is unknown, as in a capture: whatever needs one fails or is seen."""
    diffusion, z, prepared, time, row = given(A2V_128, 200, "meta")
    object.__setattr__(diffusion.config, "predicts", predicts)
    with torch.inference_mode(), Watch("meta") as watch:
        take_step(diffusion, prepared, 1.0, z, z, time, row)
    assert not watch.faults
    assert watch.launched.total() <= 1050  # the plain formulas; 442 with kernels, on a GPU


def test_steps_do_the_same_whatever_the_time():
    """No shape and no launch depends on the step: one graph serves all."""
    diffusion, z, prepared, _, _ = given(A2V_TINY, 9, "cpu")
    schedule = schedule_of(diffusion, SamplerConfig(steps=3))
    seen = []
    for number in range(3):
        own = slice(number, number + 1)
        with torch.inference_mode(), Watch("cpu") as watch:
            step = step_for(diffusion, prepared, z, 1.0)
            step(z, z, schedule.times[own], schedule.coefficients[own])
        assert not watch.faults
        seen.append(watch.launched)
    assert seen[0] == seen[1] == seen[2]


def test_slices_suit_the_device():
    assert slice_elements(None, 4) == CACHED_ELEMENTS
    assert slice_elements(80 * 2**30, 2) == 5 * 2**30
    assert slice_elements(8 * 2**30, 4) == 2**28
    assert slice_elements(0, 4) == CACHED_ELEMENTS  # something must be tried


@pytest.mark.parametrize(("frames", "window"), [(37, None), (200, 40), (41, 40), (90, 7)])
def test_biases_are_laid_out_for_fused_attention(frames, window):
    """Rows a multiple of eight apart, features side by side, and nothing copied for the batch."""
    for block in bias_blocks(RelativeBias(2, 32, 32), frames, window, torch.bfloat16):
        bias = block.bias.expand(3, -1, -1, -1)
        assert bias.stride(-1) == 1
        assert all(stride % ALIGNED == 0 for stride in bias.stride()[:-1])
        assert bias.stride(0) == 0
        assert block.bias.dtype == torch.bfloat16
        assert block.bias.shape[-2:] == (block.stop - block.start, block.last - block.first)


@pytest.mark.parametrize("modulated", [False, True])
def test_group_norm_by_reductions_equals_the_kernel(modulated):
    torch.manual_seed(0)
    norm = ClipGroupNorm(4, 24).double()
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_()
    x = torch.randn(2, 3, 4, 5, 24, dtype=torch.float64, requires_grad=True)
    scale_shift = torch.randn(2, 48, dtype=torch.float64) if modulated else None
    results = [by(x, scale_shift) for by in (norm.by_kernel, norm.by_reductions)]
    assert torch.allclose(*results, atol=1e-10)
    gradients = [torch.autograd.grad(out.cos().sum(), x)[0] for out in results]
    assert torch.allclose(*gradients, atol=1e-10)


def test_convolutions_get_weights_in_the_pictures_layout():
    conv = FrameConv(6, 8, 3)
    x = torch.randn(1, 2, 5, 5, 6)
    before = conv(x)
    channels_last(conv)
    weight = conv.weight[:, :, 0]
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(conv(x), before, atol=1e-6)


@pytest.mark.gpu
def test_a_graph_does_what_launches_do_for_one_clip_after_the_other():
    torch.manual_seed(0)
    diffusion = GaussianDiffusion(A2V_TINY).eval().cuda()
    config = SamplerConfig(steps=4)
    results = []
    for _ in range(3):  # launched, captured, replayed
        made = []
        for number in (1, 2):
            draw = torch.Generator("cuda").manual_seed(number)
            features = torch.randn(1, 48, 8, 8, device="cuda", generator=draw)
            cond = torch.randn(1, 9, A2V_TINY.unet.cond_dim, device="cuda", generator=draw)
            made.append(sample(diffusion, features, cond, config, window=4, generator=draw))
        results.append(made)
    assert not torch.allclose(results[0][0], results[0][1], atol=1e-2)
    for made in results[1:]:
        for one, other in zip(made, results[0], strict=True):
            assert torch.allclose(one, other, atol=1e-3)
