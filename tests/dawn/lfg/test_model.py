"""The latent flow generator's promises."""

from dataclasses import replace

import pytest
import torch

from dawn.lfg.blocks import coordinate_grid
from dawn.lfg.config import LFG_TINY, HourglassConfig, LFGConfig
from dawn.lfg.model import LFG


@pytest.fixture
def lfg():
    torch.manual_seed(0)
    net = LFG(LFG_TINY)
    net.train()
    with torch.no_grad():
        for _ in range(3):  # running statistics that are not 0 and 1
            net(torch.rand(4, 3, 64, 64), torch.rand(4, 3, 64, 64))
        net.bg_predictor.fc.weight.normal_(std=0.05)
    return net.eval()


@pytest.fixture
def pair():
    return torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_batch_of_two_equals_two_of_one(lfg, pair):
    source, driving = pair
    with torch.inference_mode():
        together = lfg(source, driving)
        apart = [lfg(source[i : i + 1], driving[i : i + 1]) for i in (0, 1)]
    for i, alone in enumerate(apart):
        assert torch.allclose(together.prediction[i], alone.prediction[0], atol=1e-5)
        assert torch.allclose(together.motion.flow[i], alone.motion.flow[0], atol=1e-5)


def test_float32_is_close_to_float64(lfg, pair):
    with torch.inference_mode():
        single = lfg(*pair)
        double = lfg.double()(*pair.double())
    assert torch.allclose(single.prediction.double(), double.prediction, atol=1e-4)
    assert torch.allclose(single.motion.flow.double(), double.motion.flow, atol=1e-4)


def test_an_unmoved_picture_has_identity_flow(lfg, pair):
    with torch.inference_mode():
        lfg.bg_predictor.fc.weight.zero_()
        flow = lfg.motion(pair[0], pair[0]).flow
    identity = coordinate_grid(flow.permute(0, 3, 1, 2)).expand_as(flow)
    assert torch.allclose(flow, identity, atol=1e-4)


@pytest.mark.parametrize("chunk_frames", [1, 3, 7, 100])
def test_a_clip_equals_its_frames_for_any_chunk(lfg, pair, chunk_frames):
    source = pair[0, 0]
    generator = torch.Generator().manual_seed(2)
    flow = torch.rand(7, 16, 16, 2, generator=generator) * 2 - 1
    occlusion = torch.rand(7, 1, 16, 16, generator=generator)
    with torch.inference_mode():
        clip = lfg.render_clip(source, flow, occlusion, chunk_frames=chunk_frames)
        alone = [lfg.render(source[None], flow[t : t + 1], occlusion[t : t + 1]) for t in range(7)]
    assert torch.allclose(clip, torch.cat(alone), atol=1e-5)
    assert 0 <= clip.min() <= clip.max() <= 1


def test_rendering_in_training_mode_is_refused(lfg, pair):
    with pytest.raises(ValueError, match="eval"):
        lfg.train().render_clip(pair[0, 0], torch.zeros(1, 16, 16, 2), torch.zeros(1, 1, 16, 16))


def test_gradients_reach_every_parameter(lfg, pair):
    lfg.train()(*pair).prediction.square().mean().backward()
    for name, parameter in lfg.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.endswith(".conv.bias"):  # batch norm takes a constant away again
            assert parameter.grad.abs().max() > 0, name


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="image_size must be a multiple of 128"):
        LFGConfig(image_size=96)
    with pytest.raises(ValueError, match="region_scale"):
        replace(LFG_TINY, region_scale=0.3)
    with pytest.raises(ValueError, match="num_blocks"):
        HourglassConfig(block_expansion=8, max_features=8, num_blocks=0)


@pytest.mark.gpu
def test_cuda_agrees_with_cpu(lfg, pair):
    with torch.inference_mode():
        here, there = lfg(*pair).prediction, lfg.cuda()(*pair.cuda()).prediction.cpu()
    assert torch.allclose(here, there, atol=1e-3)


def test_mixed_precision_training_stays_near_and_finite(lfg, pair):
    exact = lfg(*pair).prediction.detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = lfg(*pair).prediction
    narrow.float().square().mean().backward()
    assert (narrow - exact).abs().mean() < 0.05  # heatmaps are sharp: temperature 0.1
    assert all(p.grad.isfinite().all() for p in lfg.parameters())
