"""Blocks that are computed again: the same gradients, and how much less is kept."""

import pytest
import torch
from torch import Tensor

from dawn.a2v.config import A2V_128, A2V_256
from dawn.a2v.unet import UNet
from dawn.training.precision import narrowed
from dawn.training.recompute import KEPT_MIB, blocks, chosen, recomputed
from tests.small import SMALL_A2V

GIB = 2**30


def given(unet: UNet, frames: int, size: int, device: str) -> tuple[Tensor, ...]:
    config = unet.config
    torch.manual_seed(1)
    with torch.device(device):
        return (
            torch.randn(1, 3, frames, size, size),
            torch.randn(1, config.feature_channels, size, size),
            torch.randn(1, frames, config.cond_dim),
            torch.full((1,), 500),
        )


def kept(unet: UNet, again: str, dtype: torch.dtype, frames: int) -> float:
    """MiB a frame that the way back needs, weights aside; found without computing anything."""
    found: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        found[storage._cdata] = storage
        return tensor

    with (
        narrowed([unet], dtype),
        recomputed(blocks(unet, again)),  # type: ignore[arg-type]
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        weights = {
            value.untyped_storage()._cdata
            for module in unet.modules()
            for value in module._parameters.values()
            if value is not None
        }
        unet(*given(unet, frames, 32, "meta"))
    return sum(s.nbytes() for key, s in found.items() if key not in weights) / frames / 2**20


@pytest.mark.parametrize("again", ["none", "attention", "all"])
def test_what_a_frame_keeps_stays_within_bounds(again: str) -> None:
    """At 20 clips of 20 frames: 24, 12 and 2.7 GiB in float32."""
    with torch.device("meta"):
        unet = UNet(A2V_128.unet)
    frames = 20
    wide = kept(unet, again, torch.float32, frames)
    narrow = kept(unet, again, torch.bfloat16, frames)
    assert 0.25 * KEPT_MIB[again] < wide <= KEPT_MIB[again]
    assert narrow <= 0.7 * KEPT_MIB[again]


@pytest.mark.parametrize("again", ["attention", "all"])
def test_gradients_stay_as_they_are(again: str) -> None:
    torch.manual_seed(0)
    unet = UNet(SMALL_A2V.unet)
    gradients = []
    for which in ("none", again):
        unet.zero_grad()
        inner = blocks(unet, which)  # type: ignore[arg-type]
        assert bool(inner) == (which != "none")
        with recomputed(inner):
            loss = unet(*given(unet, 5, 8, "cpu")).square().mean()
        loss.backward()
        gradients.append([p.grad for p in unet.parameters() if p.grad is not None])
    assert len(gradients[0]) > 50
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


def test_only_what_does_not_fit_is_computed_again() -> None:
    frames = 400
    assert chosen("auto", A2V_128, frames, False, None) == "none"
    assert chosen("auto", A2V_128, frames, False, 80 * GIB) == "none"
    assert chosen("auto", A2V_128, frames, False, 40 * GIB) == "attention"
    assert chosen("auto", A2V_128, frames, True, 40 * GIB) == "none"
    assert chosen("auto", A2V_128, frames, True, 16 * GIB) == "attention"
    assert chosen("auto", A2V_128, frames, False, 16 * GIB) == "all"
    assert chosen("auto", A2V_256, frames, False, 80 * GIB) == "all"
    assert chosen("attention", A2V_128, frames, False, 80 * GIB) == "attention"
