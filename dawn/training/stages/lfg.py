"""LFG, the latent flow generator: motion between two frames of a face."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from dawn.lfg.blocks import coordinate_grid
from dawn.lfg.model import LFG
from dawn.training.config import LFGTraining
from dawn.training.lfg import LFGObjective, PairSample
from dawn.training.order import Make
from dawn.training.perceptual import VGG19
from dawn.training.pictures import Labels, Picture, cell, flow_colours, to_image
from dawn.training.stage import QUICK, Stage, Statistics
from dawn.weights import require, sha256

_SHOWN = 4


class LFGStage(Stage[LFGTraining, LFGObjective]):
    """Pairs of frames of a clip; perceptual and equivariance losses."""

    name = "lfg"
    place = 1
    config = LFGTraining
    parts = ("faces", "eyes")

    def objective(self, config: LFGTraining, lfg: nn.Module | None) -> LFGObjective:  # noqa: ARG002
        """See Stage."""
        vgg = VGG19.from_file(require("vgg19")) if config.perceptual == "vgg19" else None
        return LFGObjective(config, LFG(config.network), vgg)

    def samples(self, config: LFGTraining, statistics: Statistics) -> Make:  # noqa: ARG002
        """See Stage."""
        return PairSample(config)

    def picture_size(self, config: LFGTraining) -> int:
        """See Stage."""
        return config.network.image_size

    def weights(self, config: LFGTraining) -> dict[str, str]:
        """See Stage."""
        return {"vgg19": sha256(require("vgg19"))} if config.perceptual == "vgg19" else {}

    def notes(self, config: LFGTraining) -> dict[str, Any]:
        """See Stage."""
        return {"perceptual": config.perceptual}

    def default_part(self, preset: str) -> str:
        """The release knows no eyes' part."""
        return "auto" if preset in QUICK else "faces"

    def second_part(self, config: LFGTraining, preset: str) -> LFGTraining:  # noqa: ARG002
        """Regions see the eyes, and half of the pairs blink.

        From the first step this would stop a small network from learning how heads move.
        """
        scale = max(0.5, config.network.region_scale)
        run = config.run
        run = replace(run, steps=max(1, run.steps * 9 // 4), planned_s=run.planned_s * 9 / 4)
        return replace(
            config,
            network=replace(config.network, region_scale=scale),
            run=run,
            eyes_weight=config.eyes_weight or 30.0,
            openness_weight=config.openness_weight or 2.0,
            blink_share=config.blink_share or 0.5,
        )

    def pictures(self, objective: LFGObjective, batch: dict[str, Any]) -> dict[str, Picture]:
        """See Stage."""
        return {"reconstruction": reconstruction_sheet(objective, batch)}

    def picture_labels(self) -> dict[str, Labels]:
        """See Stage."""
        columns = ("source", "driving", "reconstruction", "flow", "occlusion")
        return {"reconstruction": Labels(columns=columns)}


@torch.no_grad()
def reconstruction_sheet(objective: LFGObjective, batch: dict[str, Any]) -> Picture:
    """A row a pair: source, driving, reconstruction, flow in colour, occlusion."""
    source, driving = batch["source"][:_SHOWN], batch["driving"][:_SHOWN]
    result = objective.network(source, driving)
    flow = result.motion.flow - coordinate_grid(result.motion.occlusion)
    rows = []
    for i in range(len(source)):
        cells = [to_image(source[i]), to_image(driving[i]), to_image(result.prediction[i])]
        cells.append(flow_colours(flow[i].cpu().numpy()))
        cells.append(to_image(result.motion.occlusion[i].expand(3, -1, -1)))
        rows.append(np.concatenate([cell(picture) for picture in cells], axis=1))
    return np.concatenate(rows)


STAGE = LFGStage()
