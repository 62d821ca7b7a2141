"""The pose and blink network's promises."""

from dataclasses import replace

import pytest
import torch

from dawn.pbnet.config import PBNET_TINY, PBNetConfig
from dawn.pbnet.model import PBNet


@pytest.fixture
def net():
    torch.manual_seed(0)
    return PBNet(PBNET_TINY).eval()


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(1)
    return {
        "states": torch.randn(2, 30, 8, generator=generator),
        "audio": torch.randn(2, 30, 32, generator=generator),
        "latent": torch.randn(30, 2, 32, generator=generator),
    }


def decode(net, given, window=None, batch=slice(None)):
    first, audio = given["states"][batch, 0], given["audio"][batch]
    return net.decoder(first, audio, given["latent"][:, batch], window)


def test_batch_of_two_equals_two_of_one(net, given):
    with torch.inference_mode():
        together = decode(net, given, 5)
        apart = [decode(net, given, 5, slice(i, i + 1)) for i in (0, 1)]
        mean, _ = net.encoder(given["states"], given["audio"])
        alone, _ = net.encoder(given["states"][1:], given["audio"][1:])
    assert torch.allclose(together, torch.cat(apart), atol=1e-5)
    assert torch.allclose(mean[:, 1:], alone, atol=1e-5)


def test_float32_is_close_to_float64(net, given):
    with torch.inference_mode():
        single = decode(net, given, 5)
        double = decode(net.double(), {k: v.double() for k, v in given.items()}, 5)
    assert torch.allclose(single.double(), double, atol=1e-5)


def test_padding_does_not_reach_the_latent(net, given):
    valid = torch.ones(2, 30, dtype=torch.bool)
    valid[1, 20:] = False
    changed = {k: v.clone() for k, v in given.items()}
    changed["audio"][1, 20:] += 9
    with torch.inference_mode():
        before, _ = net.encoder(given["states"], given["audio"], valid)
        after, _ = net.encoder(changed["states"], changed["audio"], valid)
        short, _ = net.encoder(given["states"][1:, :20], given["audio"][1:, :20])
        padded = net(given["states"], given["audio"], valid).changes
    assert torch.equal(before[:20], after[:20])
    assert torch.allclose(before[:20, 1:], short, atol=1e-5)
    assert not padded[1, 20:].any()
    assert padded[1, :20].any()


def test_far_audio_is_heard_only_within_the_bands(net, given):
    """Frame 0 hears layers x window frames at most: two cross-attentions, self between them."""
    changed = given | {"audio": given["audio"].clone()}
    changed["audio"][:, 29] += 9
    with torch.inference_mode():
        assert torch.equal(decode(net, given, 3)[:, :10], decode(net, changed, 3)[:, :10])
        assert not torch.allclose(decode(net, given)[:, 0], decode(net, changed)[:, 0])


def test_sampling_is_the_windowed_decoder_on_a_drawn_latent(given):
    torch.manual_seed(0)
    net = PBNet(replace(PBNET_TINY, architecture="transformerreemb6")).eval()
    audio = torch.randn(1, 130, 32)
    first = given["states"][:1, 0]
    changes = net.sample(first, audio, torch.Generator().manual_seed(3))
    latent = torch.randn((130, 1, 32), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        assert torch.equal(changes, net.decoder(first, audio, latent, 100))
        assert not torch.equal(changes, net.decoder(first, audio, latent))


def test_gradients_reach_every_parameter_that_can_learn(net, given):
    out = net.train()(given["states"], given["audio"])
    (out.changes.square().mean() + out.mean.square().mean()).backward()
    # the queries are one constant row, so where the first attention looks cannot matter, and
    # the projection of zeros has a bias only
    idle = {"decoder.init_proj.weight"}
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad.abs().max() > 0) == (name not in idle), name


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="both zero"):
        PBNetConfig(pose_dim=0, eye_dim=0)
    with pytest.raises(ValueError, match="multiple of heads"):
        PBNetConfig(heads=10)


def test_mixed_precision_training_stays_near_and_finite(net, given):
    exact = decode(net, given).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = decode(net, given)
    narrow.float().square().mean().backward()
    assert (narrow - exact).pow(2).mean() < 0.01 * exact.pow(2).mean()
    assert all(p.grad.isfinite().all() for p in net.decoder.parameters())
