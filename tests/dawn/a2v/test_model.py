"""The whole audio-to-video model at its smallest, and its face mask."""

import pytest
import torch

from dawn.a2v.config import A2V_TINY, A2VConfig
from dawn.a2v.face_mask import FaceMaskEncoder, face_box_mask
from dawn.a2v.model import A2V, flow_and_occlusion
from dawn.a2v.sampling import SamplerConfig


def test_sampling_gives_motion_for_every_frame_of_audio():
    torch.manual_seed(0)
    model = A2V(A2V_TINY).eval()
    source = torch.randn(1, 32, 16, 16)
    mask = face_box_mask(torch.tensor([[10.0, 50.0, 12.0, 60.0]]), (64, 64), 64)
    cond = torch.randn(1, 21, A2V_TINY.unet.cond_dim)
    sampler = SamplerConfig(steps=2)
    motion, again = (
        model.sample(source, mask, cond, sampler, torch.Generator().manual_seed(5))
        for _ in range(2)
    )
    assert motion.shape == (1, 3, 21, 16, 16)
    assert torch.equal(motion, again)
    assert motion.abs().max() <= 1
    flow, occlusion = flow_and_occlusion(motion)
    assert flow.shape == (1, 21, 16, 16, 2)
    assert torch.equal(flow[0, 3, ..., 1], motion[0, 1, 3])
    assert occlusion.shape == (1, 21, 1, 16, 16)
    assert 0 <= occlusion.min() <= occlusion.max() <= 1


def test_mask_covers_the_scaled_box_and_one_more():
    boxes = torch.tensor([[20.0, 40.0, 10.0, 30.0]])  # x 20 … 40, y 10 … 30 in 100 x 200
    mask = face_box_mask(boxes, (100, 200), 50)[0, 0]
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    assert columns.tolist() == list(range(5, 12))  # 20/4 … 40/4 + 1
    assert rows.tolist() == list(range(5, 17))  # 10/2 … 30/2 + 1
    assert mask.sum() == len(rows) * len(columns)


def test_mask_encoder_reaches_latent_size():
    assert FaceMaskEncoder(16)(torch.ones(2, 1, 64, 64)).shape == (2, 16, 16, 16)


def test_the_face_mask_encoder_learns():
    model = A2V(A2V_TINY)
    mask = face_box_mask(torch.tensor([[10.0, 50.0, 12.0, 60.0]]), (64, 64), 64)
    features = model.features(torch.randn(1, 32, 16, 16), mask)
    z0 = noise = torch.randn(1, 3, 2, 16, 16)
    cond = torch.randn(1, 2, A2V_TINY.unet.cond_dim)
    model.diffusion.loss(z0, features, cond, torch.tensor([9]), noise).elementwise.sum().backward()
    for parameter in model.face_mask_encoder.parameters():
        assert parameter.grad.abs().max() > 0


def test_a_picture_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="multiple of 32"):
        A2VConfig(image_size=100)
