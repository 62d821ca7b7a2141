"""PBNet, the pose and blink network: head motion and blinks from a voice."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from dawn.lfg.config import LFGConfig
from dawn.pbnet.model import PBNet
from dawn.training.config import PBNetTraining
from dawn.training.order import Make
from dawn.training.pbnet import PBNetObjective, SequenceSample
from dawn.training.pictures import Picture
from dawn.training.stage import Stage, Statistics

_NO_PICTURES = 8
"""Pixels: the reader's least, for a stage that looks at none."""


class PBNetStage(Stage[PBNetTraining, PBNetObjective]):
    """Sequences of pose and eye openness; variational reconstruction and an adversary."""

    name = "pbnet"
    place = 2
    config = PBNetTraining

    def fit(
        self,
        config: PBNetTraining,
        audio_dim: int,
        flow: LFGConfig | None,  # noqa: ARG002
    ) -> PBNetTraining:
        """See Stage."""
        return replace(config, network=replace(config.network, audio_dim=audio_dim))

    def objective(self, config: PBNetTraining, lfg: nn.Module | None) -> PBNetObjective:  # noqa: ARG002
        """See Stage."""
        return PBNetObjective(config, PBNet(config.network))

    def samples(self, config: PBNetTraining, statistics: Statistics) -> Make:
        """See Stage."""
        audio = (statistics.audio_mean, statistics.audio_std)
        return SequenceSample(config, *audio, statistics.states)

    def picture_size(self, config: PBNetTraining) -> int:  # noqa: ARG002
        """See Stage."""
        return _NO_PICTURES

    def own_range(self, config: PBNetTraining) -> bool:
        """See Stage."""
        return config.states == "dataset"

    def pictures(self, objective: PBNetObjective, batch: dict[str, Any]) -> dict[str, Picture]:
        """See Stage."""
        return {"curves": state_curves(objective, batch)}


@torch.no_grad()
def state_curves(objective: PBNetObjective, batch: dict[str, Any]) -> Picture:
    """Yaw and eye openness over time: truth, reconstruction and two samples."""
    from matplotlib.figure import Figure

    states = batch["states"][:1]
    audio, count = batch["audio"][:1], int(batch["valid"][0].sum())
    mean, _ = objective.network.encoder(states, audio, batch["valid"][:1])
    start = states[:, 0]
    curves = {"truth": states, "reconstruction": None}
    decoded = objective.network.decoder(start, audio, mean) + states[:, :1]
    curves["reconstruction"] = decoded
    for seed in (0, 1):
        generator = torch.Generator(states.device).manual_seed(seed)
        drawn = objective.network.sample(start, audio, generator) + states[:, :1]
        curves[f"sample {seed}"] = drawn
    figure = Figure(figsize=(8, 5), layout="constrained")
    top, bottom = figure.subplots(2, 1)
    for name, curve in curves.items():
        values = curve[0, :count].cpu().numpy()
        if objective.network.config.pose_dim:
            top.plot(values[:, 0], label=name)
        if objective.network.config.eye_dim:
            bottom.plot(values[:, -1], label=name)
    top.set_ylabel("yaw, as the network sees it")
    bottom.set_ylabel("eye openness, likewise")
    bottom.set_xlabel("frame")
    top.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return np.asarray(Image.open(buffer).convert("RGB"))


STAGE = PBNetStage()
