"""Losses against hand-worked cases, and who gets gradients from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dawn.features.faces.blinks import closed_frames
from dawn.lfg.config import LFG_TINY
from dawn.lfg.model import LFG
from dawn.pbnet.config import PBNET_TINY
from dawn.pbnet.model import PBNet
from dawn.training.a2v import latent_motion
from dawn.training.blink_frames import blink_pair
from dawn.training.boxes import eye_boxes
from dawn.training.config import LFGTraining, PBNetTraining
from dawn.training.jitter import draw_jitter, jittered
from dawn.training.lfg import LFGObjective, PairSample, psnr
from dawn.training.masks import box_mask, eyes_mask, mean_inside
from dawn.training.pbnet import (
    PBNetObjective,
    chance_gap,
    masked_mean,
    quantile_gap,
)
from dawn.training.perceptual import VGG19, Pyramid
from dawn.training.states import RELEASE_RANGE, StateRange
from dawn.training.warps import RandomWarp, draw_warp


def test_a_warps_jacobian_is_its_derivative() -> None:
    affine, spline = draw_warp(np.random.default_rng(0), 0.1, 0.05)
    warp = RandomWarp(affine[None].double(), spline[None].double())
    points = torch.rand(1, 6, 2, dtype=torch.float64) - 0.5
    moved, jacobian = warp.points_with_jacobian(points)
    step = 1e-6
    for axis in range(2):
        nudge = torch.zeros(2, dtype=torch.float64)
        nudge[axis] = step
        slope = (warp.points(points + nudge) - moved) / step
        assert (jacobian[..., axis] - slope).abs().max() < 1e-3


def test_a_warp_that_does_nothing_costs_nothing() -> None:
    config = LFGTraining(network=LFG_TINY)
    objective = LFGObjective(config, LFG(LFG_TINY)).eval()
    torch.manual_seed(0)
    image = torch.rand(2, 3, 64, 64)
    identity = torch.eye(2, 3).expand(2, -1, -1)
    batch = {"source": image, "driving": image, "affine": identity, "spline": torch.zeros(2, 25)}
    _, parts = objective(batch)
    assert parts["equivariance_shift"] < 0.2
    moved = {**batch, "affine": torch.tensor([[1.0, 0, 0.5], [0, 1, 0]]).expand(2, -1, -1)}
    assert objective(moved)[1]["equivariance_shift"] > 5 * parts["equivariance_shift"]


def test_perceptual_losses_are_nought_for_equals_and_see_edges() -> None:
    torch.manual_seed(0)
    flat, edge = torch.full((1, 3, 32, 32), 0.5), torch.full((1, 3, 32, 32), 0.5)
    edge[..., 16:] += 0.1
    shifted = flat + 0.05
    for compare in (Pyramid(), VGG19()):
        assert float(compare(flat, flat)) == 0
        assert float(compare(edge, flat)) > 0
    assert float(Pyramid()(edge, flat)) > float(Pyramid()(shifted, flat))  # same mean error


def test_vgg19_has_the_layers_of_torchvisions() -> None:
    from dawn.torchvision_import import prepare_torchvision

    prepare_torchvision()
    from torchvision.models import vgg19

    theirs = vgg19(weights=None).eval()
    ours = VGG19()
    state = {k: v for k, v in theirs.state_dict().items() if k in ours.state_dict()}
    ours.load_state_dict(state, strict=True)
    image = torch.rand(1, 3, 64, 64)
    expected, x = [], (image - ours.mean) / ours.std
    with torch.no_grad():
        for number, layer in enumerate(theirs.features[:30], start=1):
            x = layer(x.clone())
            if number in (2, 7, 12, 21, 30):
                expected.append(x)
    for mine, other in zip(ours.layers(image), expected, strict=True):
        assert torch.equal(mine, other)
    assert not any(p.requires_grad for p in ours.parameters())


def test_jitter_is_one_draw_for_all_pictures() -> None:
    images = torch.rand(1, 1, 3, 8, 8).expand(2, 4, -1, -1, -1)
    factors = [draw_jitter(0.2, np.random.default_rng(seed)) for seed in (3, 4)]
    out = jittered(images, torch.stack(factors))
    assert (out == out[:, :1]).all()
    assert (out[0] != images[0]).any()
    assert (out[0] != out[1]).any()
    assert draw_jitter(0.0, np.random.default_rng(3)).tolist() == [1, 1, 1, 0]


def test_jitter_is_torchvisions() -> None:
    from dawn.torchvision_import import prepare_torchvision

    prepare_torchvision()
    from torchvision.transforms import functional

    images = torch.randint(0, 256, (3, 2, 3, 16, 16)).float() / 255
    images[0, :, 1] = images[0, :, 0]  # ties, and greys
    images[0, 0, 2] = images[0, 0, 0]
    factors = torch.stack([draw_jitter(0.25, np.random.default_rng(seed)) for seed in range(3)])
    for sample, (brightness, contrast, saturation, hue), out in zip(
        images, factors.tolist(), jittered(images, factors), strict=True
    ):
        theirs = functional.adjust_brightness(sample, brightness)
        theirs = functional.adjust_contrast(theirs, contrast)
        theirs = functional.adjust_saturation(theirs, saturation)
        assert torch.equal(out, functional.adjust_hue(theirs, hue))


def test_psnr_by_hand() -> None:
    truth = torch.zeros(1, 3, 4, 4)
    assert psnr(truth + 0.1, truth) == pytest.approx(20, abs=1e-3)


def test_a_range_is_undone_and_the_released_one_is_as_documented() -> None:
    pose, eyes = torch.tensor([[9.0, -90, 0, 0.5, 360, 1080]]), torch.tensor([[0.3, 0.2]])
    states = RELEASE_RANGE.normalised(pose, eyes, 6, 2)
    assert states[0].tolist() == pytest.approx([0.55, 0, 0.5, 0.5, 0.5, 1, 0.3, 0.2])
    own = StateRange(tuple(range(8)), tuple(range(2, 10)))
    for pose_dim, eye_dim in ((6, 2), (6, 0), (0, 2)):
        back = own.pose_and_eyes(own.normalised(pose, eyes, pose_dim, eye_dim), pose_dim)
        assert torch.allclose(back[0], pose[:, :pose_dim])
        assert torch.allclose(back[1], eyes[:, :eye_dim])


def test_padding_does_not_count() -> None:
    values = torch.tensor([[[1.0], [3.0], [100.0]], [[5.0], [100.0], [100.0]]])
    valid = torch.tensor([[True, True, False], [True, False, False]])
    assert float(masked_mean(values, valid)) == pytest.approx((2 + 5) / 2)


def sequence_batch(width: int = 32) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "states": torch.randn(2, 24, 8), "audio": torch.randn(2, 24, width),
        "valid": torch.ones(2, 24, dtype=torch.bool),
        "noise": torch.randn(2, 24, 32), "prior": torch.randn(2, 24, 32),
    }  # fmt: skip


def test_the_adversary_learns_only_to_judge_and_the_network_only_to_fool() -> None:
    config = PBNetTraining(network=PBNET_TINY, gan_weight=1.0)
    torch.manual_seed(0)
    objective = PBNetObjective(config, PBNet(PBNET_TINY)).eval()
    _, parts = objective(sequence_batch())
    adversary = list(objective.adversary.parameters())
    network = [p for p in objective.network.decoder.parameters() if p.requires_grad]
    judged = torch.autograd.grad(parts["adversary"], adversary, retain_graph=True)
    assert all(g.abs().max() > 0 for g in judged[:2])
    fooled = torch.autograd.grad(
        parts["gan"], [*adversary, *network], retain_graph=True, allow_unused=True
    )
    assert all(g is None for g in fooled[: len(adversary)])
    assert any(g is not None and g.abs().max() > 0 for g in fooled[len(adversary) :])
    alone = torch.autograd.grad(parts["adversary"], network, allow_unused=True)
    assert all(g is None for g in alone)


def test_the_smoothness_term_has_a_gradient() -> None:
    config = replace(PBNetTraining(network=PBNET_TINY), gan_weight=0.0, smooth_weight=1.0)
    objective = PBNetObjective(config, PBNet(PBNET_TINY)).eval()
    _, parts = objective(sequence_batch())
    parts["smooth"].backward()
    assert objective.network.decoder.finallayer.weight.grad.abs().max() > 0


def test_the_kl_term_rises_between_its_bounds() -> None:
    config = PBNetTraining(network=PBNET_TINY, gan_weight=0.0, kl_begin=0.2, kl_full=0.6)
    objective = PBNetObjective(config, PBNet(PBNET_TINY)).eval()
    shares = []
    for progress in (0.0, 0.2, 0.4, 0.6, 1.0):
        objective.progress = progress
        shares.append(objective._kl_share())
    assert shares == pytest.approx([0, 0, 0.5, 1, 1])


def test_a_mouths_mask_covers_its_box() -> None:
    boxes = torch.tensor([[0.25, 0.5, 0.5, 0.75], [0.26, 0.27, 0.3, 0.31], [-1.0, 2.0, 0.9, 1.4]])
    masks = box_mask(boxes, 8)
    assert masks[0].nonzero().tolist() == [[y, x] for y in (4, 5, 6) for x in (2, 3, 4)]
    assert masks[1].sum() >= 1  # a box between two cells is not lost
    assert masks[2].sum() == 8


def test_an_eyes_box_is_as_high_closed_as_open() -> None:
    points = np.zeros((2, 68, 2), np.float32)
    for eye, left in ((slice(36, 42), 0.25), (slice(42, 48), 0.625)):
        points[:, eye, 0] = left + 0.125 * np.array([0, 0.25, 0.75, 1, 0.75, 0.25])
        points[:, eye, 1] = 0.5
        points[0, eye, 1] += 0.03 * np.array([0, -1, -1, 0, 1, 1])
    boxes = eye_boxes(points)
    assert boxes[0] == pytest.approx(boxes[1], abs=1e-6)
    assert boxes[1, 0] == pytest.approx([0.25, 0.375, 0.5 - 0.04375, 0.5 + 0.04375])
    mask = eyes_mask(torch.from_numpy(boxes), 16)[1]
    assert mask.nonzero().tolist() == [[8, x] for x in (4, 5, 6, 10, 11, 12)]


def test_the_closed_frames_are_those_of_blinks() -> None:
    openness = np.full((50, 2), 0.3, np.float32)
    openness[20:23], openness[30] = 0.1, 0.25
    assert closed_frames(openness).tolist() == [20, 21, 22]
    assert not len(closed_frames(openness[:20]))


def test_a_blinks_pair_is_closed_and_open_and_near() -> None:
    openness = np.full((200, 2), 0.3, np.float32)
    openness[50:55] = 0.1
    own = np.random.default_rng(0)
    pairs = [blink_pair(openness, own) for _ in range(50)]
    assert {closed for closed, _ in pairs} == set(range(50, 55))
    assert all(other not in range(50, 55) and abs(other - closed) <= 10 for closed, other in pairs)
    assert blink_pair(openness[:40], own) == []
    openness[40:64] = 0.1
    openness[52] = 0.05
    assert {len(blink_pair(openness, own)) for _ in range(50)} == {0, 2}  # no open one is near


def test_the_eyes_term_is_theirs_alone() -> None:
    objective = LFGObjective(LFGTraining(network=LFG_TINY, eyes_weight=2.0), LFG(LFG_TINY)).eval()
    torch.manual_seed(0)
    image, eyes = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    eyes[..., 20:24, 10:20] = 1
    identity = torch.eye(2, 3)[None]
    batch = {
        "source": image, "driving": image, "eyes": eyes, "affine": identity,
        "spline": torch.zeros(1, 25),
    }  # fmt: skip
    _, parts = objective(batch)
    with torch.no_grad():
        error = (objective.network(image, image).prediction - image).abs()
    assert parts["eyes"].item() == pytest.approx(2 * float(error[..., 20:24, 10:20].mean()), 1e-4)
    assert "mouth" not in parts


def test_the_guess_at_the_eyes_teaches_regions_and_is_not_kept() -> None:
    config = LFGTraining(network=LFG_TINY, openness_weight=1.0)
    objective = LFGObjective(config, LFG(LFG_TINY)).eval()
    torch.manual_seed(0)
    image = torch.rand(2, 3, 64, 64)
    batch = {
        "source": image, "driving": image, "openness": torch.tensor([[0.3], [0.1]]),
        "affine": torch.eye(2, 3).expand(2, -1, -1), "spline": torch.zeros(2, 25),
    }  # fmt: skip
    _, parts = objective(batch)
    parts["openness"].backward()
    assert objective.network.region_predictor.regions.weight.grad.abs().max() > 0
    assert objective.network.generator.final.weight.grad is None
    assert not any("openness" in name for name in objective.network.state_dict())


def test_the_mouths_error_is_the_mean_inside() -> None:
    error = torch.zeros(2, 3, 1, 4, 4)
    error[0, :, 0, 1, 1] = 6.0
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, 0, 1, 1:3] = 1
    assert float(mean_inside(error, mask[:, None])) == pytest.approx((3 + 0) / 2)


def test_targets_do_not_depend_on_how_many_are_made_at_once() -> None:
    torch.manual_seed(0)
    lfg = LFG(LFG_TINY).eval()
    reference, frames = torch.rand(2, 3, 64, 64), torch.rand(2, 20, 3, 64, 64)
    whole = latent_motion(lfg, reference, frames)
    assert whole.shape == (2, 3, 20, 16, 16)
    one = latent_motion(lfg, reference[1:], frames[1:, 7:8])
    assert (whole[1:, :, 7:8] - one).abs().max() < 1e-5
    assert whole[:, 2].abs().max() <= 1


def test_wide_eyes_are_no_blinks_to_the_quantiles() -> None:
    truth = torch.zeros(1, 60, 2)
    truth[:, 20:25] = -4
    valid = torch.ones(1, 60, dtype=torch.bool)
    assert quantile_gap(truth.roll(7, 1), truth, valid) == 0
    assert quantile_gap(-truth, truth, valid) > 0.6
    assert quantile_gap(torch.zeros_like(truth), truth, valid) > 0.3
    padded, other = (F.pad(x, (0, 0, 0, 30), value=9.0 * i) for i, x in enumerate((truth, -truth)))
    some = F.pad(valid, (0, 30))
    whole = quantile_gap(-truth, truth, valid)
    assert quantile_gap(other, padded, some) == pytest.approx(whole.item(), rel=1e-4)


def test_draws_must_differ_by_more_than_a_tremor() -> None:
    draw = torch.Generator().manual_seed(0)
    time = torch.arange(100) / 25
    phases = 6 * torch.rand(3, 1, 1, generator=draw) + torch.arange(2)
    one, other, truth = (torch.sin(2 * time[None, :, None] + phase) for phase in phases[:, None])
    valid = torch.ones(1, 100, dtype=torch.bool)
    tremor = torch.randn(1, 100, 2, generator=draw)
    assert chance_gap(one - other, truth, valid) == 0
    assert chance_gap(torch.zeros_like(one), truth, valid) > 10
    assert chance_gap(tremor, truth, valid) > 1
    padded = torch.cat((one - other, torch.zeros(1, 40, 2)), dim=1)
    mask = torch.arange(140)[None] < 100
    longer = torch.cat((truth, truth[:, -1:].expand(-1, 40, -1)), dim=1)
    assert chance_gap(padded, longer, mask) == 0


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_pairs_is_one_frame_twice(share: float) -> None:
    make = PairSample(LFGTraining(still_share=share, blink_share=0.5))
    openness = np.random.default_rng(0).uniform(0.02, 0.4, (500, 2)).astype(np.float32)
    own = np.random.default_rng(1)
    pairs = [make._numbers(openness, own) for _ in range(400)]
    assert all(len(pair) == 2 for pair in pairs)
    assert np.mean([a == b for a, b in pairs]) == pytest.approx(share, abs=0.08)
