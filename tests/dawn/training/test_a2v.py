"""A2V's losses: what they see of the predicted motion, and who learns from them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dawn.a2v.config import A2VConfig
from dawn.a2v.model import A2V
from dawn.features.faces.blinks import closed_frames
from dawn.lfg.model import LFG
from dawn.training.a2v import A2VObjective, WindowSample, latent_motion
from dawn.training.batches import collate, on_device
from dawn.training.clips import ClipReader, ClipRow, clips_of
from dawn.training.config import A2VTraining, Curriculum
from dawn.training.order import Samples
from manifests.store import Dataset
from tests.small import SMALL_A2V, SMALL_LFG

WEIGHT = 3.0
CLIPS = Curriculum(frames_min=10, frames_max=10)


def motion_network(audio_dim: int) -> A2VConfig:
    diffusion = replace(SMALL_A2V.diffusion, predicts="motion")
    unet = replace(SMALL_A2V.unet, audio_dim=audio_dim)
    return replace(SMALL_A2V, diffusion=diffusion, unet=unet)


@pytest.fixture
def batch(dataset: Dataset) -> dict[str, Any]:
    """Two windows of real clips."""
    reader = ClipReader(dataset.path, 32)
    clips = list(clips_of(dataset, "train"))
    width = reader.features(clips[0]).audio.shape[1]
    network = motion_network(width)
    config = A2VTraining(network=network, clips=CLIPS, picture_weight=WEIGHT)
    samples = Samples(clips, WindowSample(config, 0.0, 1.0), 0, 2, reader)
    made = collate([samples[0], samples[1]])
    made.pop("bad")
    made["keep"] = torch.ones_like(made["keep"])
    return on_device(made, "cpu", objective_of(network).prepared)


def objective_of(network: A2VConfig) -> A2VObjective:
    torch.manual_seed(0)
    config = A2VTraining(network=network, picture_weight=WEIGHT)
    return A2VObjective(config, A2V(network), LFG(SMALL_LFG))


@pytest.fixture
def objective(batch: dict[str, Any]) -> A2VObjective:
    return objective_of(motion_network(batch["cond"].shape[-1] - 8))


def test_the_frame_with_the_most_closed_eyes_is_seen(batch: dict[str, Any]) -> None:
    change = batch["cond"][..., -2:].mean(-1)
    for row in range(2):
        assert int(change[row].argmin()) in batch["seen"][row].tolist()
    assert batch["seen"].shape == (2, 4)
    assert batch["seen_eyes"].shape == batch["seen_mouth"].shape == (2, 4, 32, 32)
    assert batch["seen_eyes"].sum((2, 3)).min() > 0


def test_the_picture_s_error_is_that_of_the_frames_rendered(
    objective: A2VObjective, batch: dict[str, Any]
) -> None:
    """Given the motion that the flow generator sees, it is the flow generator's own error."""
    lfg = objective.lfg
    with torch.no_grad():
        motion = latent_motion(lfg, batch["reference"], batch["frames"])
        found = objective._picture(batch, motion)
        errors = []
        for row in range(2):
            driving = batch["frames"][row, batch["seen"][row]]
            source = batch["reference"][row].expand_as(driving)
            error = (lfg(source, driving).prediction - driving).abs()
            inside = [
                np.mean([error[i][:, mask[i] > 0].mean() for i in range(4)])
                for mask in (batch["seen_mouth"][row], batch["seen_eyes"][row])
            ]
            errors.append(float(error.mean()) + float(sum(inside)))
    assert float(found) == pytest.approx(np.mean(errors), rel=1e-4)
    elsewhere = {**batch, "seen_eyes": torch.zeros_like(batch["seen_eyes"])}
    assert float(objective._picture(elsewhere, motion)) < float(found)


def test_the_picture_teaches_the_network_and_not_the_flow_generator(
    objective: A2VObjective, batch: dict[str, Any]
) -> None:
    _, parts = objective(batch)
    parts["picture"].backward()
    gradients = [weight.grad for weight in objective.network.parameters()]
    assert any(g is not None and g.abs().max() > 0 for g in gradients)
    assert all(weight.grad is None for weight in objective.lfg.parameters())
    assert not any("lfg" in name for name in objective.state_dict())


def test_frames_are_only_rendered_when_asked_for(
    objective: A2VObjective, batch: dict[str, Any]
) -> None:
    plain, later = (
        A2VObjective(replace(objective.config, **changes), objective.network, objective.lfg)
        for changes in ({"picture_weight": 0.0}, {"picture_begin": 0.5})
    )
    without = {key: value for key, value in batch.items() if not key.startswith("seen")}
    assert "picture" not in plain(without)[1]
    seen = []
    for later.progress in (0.0, 0.4, 0.5, 0.9):
        seen.append("picture" in later(batch)[1])
    assert seen == [False, False, True, True]


class Watched(ClipReader):
    """Remembers which frames of a clip were read last."""

    def frames(self, clip: ClipRow, numbers: Sequence[int]) -> NDArray[np.uint8]:
        self.last = list(numbers)
        return super().frames(clip, numbers)


def test_windows_are_drawn_around_blinks(dataset: Dataset) -> None:
    reader = Watched(dataset.path, 32)
    own = np.random.default_rng(0)
    closed_of = {
        clip: set(closed_frames(reader.features(clip).eyes).tolist())
        for clip in clips_of(dataset, "train")
    }
    clip, closed = max(closed_of.items(), key=lambda item: len(item[1]))
    assert 0 < len(closed) < clip.frames / 2
    shares = []
    for share in (0.0, 1.0):
        config = A2VTraining(network=SMALL_A2V, clips=CLIPS, blink_share=share)
        found = []
        for _ in range(30):
            WindowSample(config, 0.0, 1.0)(reader, clip, own, own)
            assert set(reader.last) <= set(range(clip.frames))
            found.append(bool(closed & set(reader.last)))
        shares.append(np.mean(found))
    assert shares[1] == 1 > shares[0]
