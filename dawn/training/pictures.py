"""Pictures of what a network does: for TensorBoard and the report."""

import io
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dawn.a2v.model import flow_and_occlusion
from dawn.a2v.sampling import SamplerConfig
from dawn.lfg.blocks import coordinate_grid
from dawn.training.a2v import A2VObjective
from dawn.training.lfg import LFGObjective
from dawn.training.pbnet import PBNetObjective

Objective = LFGObjective | PBNetObjective | A2VObjective
Picture = NDArray[np.uint8]

_SHOWN = 4
_CELL = 96


@torch.no_grad()
def draw(objective: Objective, batch: dict[str, Any]) -> dict[str, Picture]:
    """RGB pictures (H, W, 3) by name; the network must be in eval mode."""
    if isinstance(objective, LFGObjective):
        return {"reconstruction": reconstruction_sheet(objective, batch)}
    if isinstance(objective, A2VObjective):
        return {"sample": sampled_strip(objective, batch)}
    return {"curves": state_curves(objective, batch)}


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
        rows.append(np.concatenate([_cell(cell) for cell in cells], axis=1))
    return np.concatenate(rows)


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
        np.concatenate([_cell(to_image(frames[int(t)])) for t in moments], axis=1)
        for frames in (first["frames"][0], made)
    ]
    return np.concatenate(rows)


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


def to_image(tensor: Tensor) -> Picture:
    """(3, H, W) in 0 … 1 as RGB (H, W, 3)."""
    scaled = (tensor.clamp(0, 1) * 255).round().to(torch.uint8)
    return scaled.permute(1, 2, 0).cpu().numpy()


def flow_colours(flow: NDArray[np.float32]) -> Picture:
    """Displacements (h, w, 2) as colours: hue is direction, saturation length."""
    length, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1])
    longest = max(float(length.max()), 1e-6)
    hsv = np.stack([angle / np.pi * 90, length / longest * 255, np.full_like(length, 255)], -1)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.uint8, copy=False)


def _cell(image: Picture) -> Picture:
    resized = cv2.resize(image, (_CELL, _CELL), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.uint8)


def png(image: Picture) -> bytes:
    """The picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    return buffer.getvalue()
