"""A2V-FDM, the audio-to-video flow diffusion model: all frames' motion from a voice."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from dawn.a2v.model import A2V, flow_and_occlusion
from dawn.a2v.sampling import SamplerConfig
from dawn.lfg.config import LFGConfig
from dawn.lfg.model import LFG
from dawn.training.a2v import A2VObjective, WindowSample
from dawn.training.config import A2VTraining, Curriculum
from dawn.training.order import Make
from dawn.training.pictures import Labels, Picture, cell, to_image
from dawn.training.stage import QUICK, Stage, Statistics

LONG = Curriculum(frames_min=30, frames_max=40, reference="random")
_TINY_LONG = Curriculum(frames_min=16, frames_max=24, reference="random")


class A2VStage(Stage[A2VTraining, A2VObjective]):
    """Stretches of clips; the noise error of the latent motion that a frozen LFG finds."""

    name = "a2v"
    place = 3
    config = A2VTraining
    parts = ("short", "long")
    needs_lfg = True

    def fit(self, config: A2VTraining, audio_dim: int, flow: LFGConfig | None) -> A2VTraining:
        """See Stage."""
        if flow is None:
            raise ValueError("A2V is fitted to a flow generator")
        channels = flow.width(flow.num_down_blocks)
        unet = replace(config.network.unet, audio_dim=audio_dim, image_channels=channels)
        network = replace(config.network, unet=unet, image_size=flow.image_size)
        return replace(config, network=network)

    def objective(self, config: A2VTraining, lfg: nn.Module | None) -> A2VObjective:
        """See Stage."""
        if not isinstance(lfg, LFG):
            raise ValueError("A2V learns from a flow generator")
        return A2VObjective(config, A2V(config.network), lfg)

    def samples(self, config: A2VTraining, statistics: Statistics) -> Make:
        """See Stage."""
        return WindowSample(config, statistics.audio_mean, statistics.audio_std)

    def picture_size(self, config: A2VTraining) -> int:
        """See Stage."""
        return config.network.image_size

    def default_part(self, preset: str) -> str:
        """Small networks do not profit from so few long clips."""
        return "short" if preset in QUICK else "auto"

    def second_part(self, config: A2VTraining, preset: str) -> A2VTraining:
        """Longer clips of varying length, any reference frame."""
        tiny = preset in QUICK
        batch = max(1, config.run.batch * (1 if tiny else 2))
        run = replace(config.run, steps=max(1, config.run.steps // 2), batch=batch)
        return replace(config, clips=_TINY_LONG if tiny else LONG, run=run)

    def pictures(self, objective: A2VObjective, batch: dict[str, Any]) -> dict[str, Picture]:
        """See Stage."""
        return {"sample": sampled_strip(objective, batch)}

    def picture_labels(self) -> dict[str, Labels]:
        """See Stage."""
        return {"sample": Labels(rows=("real", "sampled"))}


@torch.no_grad()
def sampled_strip(objective: A2VObjective, batch: dict[str, Any]) -> Picture:
    """Above the real frames, below sampled ones, at eight moments of the first clip."""
    first = {key: value[:1] for key, value in batch.items()}
    features = objective.lfg.features(first["reference"])
    generator = torch.Generator(features.device).manual_seed(0)
    motion = objective.network.sample(
        features, first["face"], first["cond"], SamplerConfig(steps=10), generator
    )
    flow, occlusion = flow_and_occlusion(motion)
    made = objective.lfg.render_clip(first["reference"][0], flow[0], occlusion[0])
    moments = np.linspace(0, len(made) - 1, 8).astype(int)
    rows = [
        np.concatenate([cell(to_image(frames[int(t)])) for t in moments], axis=1)
        for frames in (first["frames"][0], made)
    ]
    return np.concatenate(rows)


STAGE = A2VStage()
