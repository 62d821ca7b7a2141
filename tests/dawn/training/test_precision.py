"""bfloat16 where the bulk is: near float32, weights left alone, no copies of layout."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dawn.a2v.model import A2V
from dawn.lfg.model import LFG
from dawn.training.a2v import A2VObjective
from dawn.training.config import A2VTraining, LFGTraining
from dawn.training.lfg import LFGObjective
from dawn.training.objective import Objective
from dawn.training.precision import narrowed
from tests.small import SMALL_A2V, SMALL_LFG


def made(stage: str) -> tuple[Objective, dict[str, Any]]:
    """An objective, and a prepared batch of smooth pictures."""
    torch.manual_seed(0)
    seeds = torch.rand(4, 3, 4, 4)
    pictures = nn.functional.interpolate(seeds, 32, mode="bicubic").clamp(0, 1)
    if stage == "lfg":
        objective: Objective = LFGObjective(LFGTraining(network=SMALL_LFG), LFG(SMALL_LFG))
        eye, still = torch.eye(2, 3).expand(2, -1, -1), torch.zeros(2, 25)
        batch = {"source": pictures[:2], "driving": pictures[2:], "affine": eye, "spline": still}
        return objective, batch
    masks, width = torch.ones(1, 3, 8, 8), SMALL_A2V.unet.cond_dim
    objective = A2VObjective(A2VTraining(network=SMALL_A2V), A2V(SMALL_A2V), LFG(SMALL_LFG))
    return objective, {
        "reference": pictures[:1], "frames": pictures[None, 1:], "face": torch.ones(1, 1, 32, 32),
        "cond": torch.randn(1, 3, width), "keep": torch.ones(1, 3), "mouth": masks, "eyes": masks,
        "noise": torch.randn(1, 3, 3, 8, 8), "time": torch.tensor([300]),
    }  # fmt: skip


def gradient(
    objective: Objective, batch: dict[str, Any], dtype: torch.dtype
) -> tuple[float, Tensor]:
    """The loss and the gradient of all weights, in one row."""
    objective.zero_grad()
    with narrowed(objective.narrow(), dtype):
        loss, _ = objective(batch)
        loss.backward()
    weights = [p for p in objective.network.parameters() if p.grad is not None]
    assert all(weight.grad.dtype == torch.float32 for weight in weights if weight.grad is not None)
    return loss.item(), torch.cat([w.grad.flatten() for w in weights if w.grad is not None])


@pytest.mark.parametrize("stage", ["lfg", "a2v"])
def test_gradients_point_where_those_of_float32_do(stage: str) -> None:
    objective, batch = made(stage)
    before = {key: value.clone() for key, value in objective.state_dict().items()}
    wide, one = gradient(objective, batch, torch.float32)
    narrow, other = gradient(objective, batch, torch.bfloat16)
    assert narrow != wide
    assert narrow == pytest.approx(wide, rel=0.02)
    assert torch.cosine_similarity(one, other, dim=0) > 0.97
    assert all(isinstance(weight, nn.Parameter) for weight in objective.network.parameters())
    learned = dict(objective.network.named_parameters())
    assert all(torch.equal(before[f"network.{key}"], value) for key, value in learned.items())


@pytest.mark.parametrize("stage", ["lfg", "a2v"])
def test_all_weights_are_cast_once(stage: str) -> None:
    """And nearly all of them: what stays float32 is small."""
    objective, batch = made(stage)
    with torch.profiler.profile() as profile, narrowed(objective.narrow(), torch.bfloat16):
        objective(batch)
        narrow = sum(p.numel() for p in objective.network.parameters() if p.dtype == torch.bfloat16)
    assert sum(event.count for event in profile.key_averages() if event.key == "_Cast") == 1
    whole = sum(p.numel() for p in objective.network.parameters())
    assert narrow > (0.7 if stage == "lfg" else 0.95) * whole


def test_an_error_inside_leaves_the_weights_as_they_were() -> None:
    objective, _ = made("a2v")
    own = dict(objective.named_parameters())
    with pytest.raises(ZeroDivisionError), narrowed(objective.narrow(), torch.bfloat16):
        raise ZeroDivisionError
    assert all(own[name] is weight for name, weight in objective.named_parameters())


def test_convolutions_get_the_layout_that_a_gpu_likes() -> None:
    """All but three: what flow is found from is put together of grids, at a quarter of the side."""
    objective, batch = made("lfg")
    objective.to(memory_format=torch.channels_last)
    last = {"memory_format": torch.channels_last}
    batch |= {key: batch[key].contiguous(**last) for key in ("source", "driving")}
    others = []

    def look(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if not given[0].is_contiguous(**last):
            others.append(module)

    for module in objective.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_pre_hook(look)
    with narrowed(objective.narrow(), torch.bfloat16):
        objective.network(batch["source"], batch["driving"])
    flow = objective.network.generator.pixelwise_flow_predictor
    expected = [flow.hourglass.encoder.down_blocks[0].conv, flow.mask, flow.occlusion]
    assert others == expected
