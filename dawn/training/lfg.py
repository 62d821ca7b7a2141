"""Training the latent flow generator: pairs of frames, reconstruction and equivariance losses."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.lfg.blocks import AntiAliasedDownsample, ResBlock, SameBlock
from dawn.lfg.model import LFG, Reconstruction
from dawn.lfg.regions import Regions
from dawn.training.blink_frames import blink_pair
from dawn.training.clips import ClipReader, ClipRow
from dawn.training.config import LFGTraining
from dawn.training.jitter import draw_jitter, jittered, laid_out, unpacked
from dawn.training.masks import box_mask, eyes_mask, mean_inside
from dawn.training.objective import Objective
from dawn.training.order import Sample
from dawn.training.perceptual import VGG19, Perceptual, Pyramid
from dawn.training.warps import RandomWarp, draw_warp

OPENNESS_UNIT = 0.1
"""In which eye ratios are told."""
SCALES = (1.0, 0.5, 0.25, 0.125)


@dataclass(frozen=True, slots=True)
class PairSample:
    """Two frames of a clip, in random order, mirrored or not, colours jittered alike."""

    config: LFGTraining

    def __call__(
        self,
        reader: ClipReader,
        clip: ClipRow,
        own: np.random.Generator,
        shared: np.random.Generator,  # noqa: ARG002 - of the shared signature
    ) -> Sample:
        """ "pair" (2, S, S, 3) of bytes, source and driving, "mirrored", "jitter" (4,); of the
        driving frame "mouth" (4,) and "eyes" (2, 4), boxes, and "openness" (1,); "affine" and
        "spline", the warp of the equivariance loss.
        """
        features = reader.features(clip)
        numbers = self._numbers(features.eyes, own)
        draw = own.random(2)
        if draw[0] < self.config.swap_share:
            numbers = numbers[::-1]
        jitter = draw_jitter(self.config.jitter, own)
        affine, spline = draw_warp(own, self.config.warp_affine, self.config.warp_spline)
        driving = numbers[1]
        return {
            "pair": torch.from_numpy(reader.frames(clip, numbers)),
            "mirrored": bool(draw[0] >= self.config.swap_share and draw[1] < 0.5),
            "jitter": jitter,
            "mouth": torch.from_numpy(features.mouth[driving]),
            "eyes": torch.from_numpy(features.eye_boxes[driving]),
            "openness": torch.from_numpy(features.eyes[driving]).mean(0, keepdim=True),
            "affine": affine,
            "spline": spline,
        }

    def _numbers(self, openness: NDArray[np.float32], own: np.random.Generator) -> list[int]:
        """Two frames in order; in `blink_share` of the pairs, of a blink and just off it; in
        `still_share` the same frame twice.
        """
        numbers = own.integers(0, len(openness), 2).tolist()
        if self.config.blink_share and own.random() < self.config.blink_share:
            numbers = blink_pair(openness, own) or numbers
        if self.config.still_share and own.random() < self.config.still_share:
            numbers = numbers[:1] * 2
        return sorted(numbers)


class LFGObjective(Objective):
    """The LFG and what it is trained on; `forward` gives the loss of a batch and its parts."""

    measure = "l1"
    network: LFG

    def __init__(self, config: LFGTraining, network: LFG, vgg: VGG19 | None = None) -> None:
        super().__init__()
        if config.perceptual == "vgg19" and vgg is None:
            raise ValueError("perceptual vgg19 needs its network")
        self.config = config
        self.network = network
        self.compare: Perceptual = vgg or Pyramid()
        regions = network.config.num_regions
        self.openness = nn.Linear(5 * regions, 1) if config.openness_weight else None
        self.halve = nn.ModuleList(AntiAliasedDownsample(3, scale) for scale in SCALES[1:])

    def narrow(self) -> Iterator[nn.Module]:
        """The convolutions of all blocks, and the last; the norms' weights cost nothing."""
        for block in self.network.modules():
            if isinstance(block, SameBlock | ResBlock):
                yield from (part for part in block.children() if isinstance(part, nn.Conv2d))
        yield self.network.generator.final

    def phase(self) -> None:
        """See Objective: it is the same from the first step to the last."""

    def prepared(self, batch: Sample) -> Sample:
        """ "source" and "driving" (B, 3, S, S) in 0 … 1, "mouth" and "eyes" (B, 1, S, S) of the
        driving frame; the rest of a batch as it is.
        """
        mirrored = batch["mirrored"].view(-1, 1, 1, 1, 1)
        pair = unpacked(batch["pair"])
        pair = torch.where(mirrored, pair.flip(-1), pair)
        if self.config.jitter:
            pair = jittered(pair, batch["jitter"])
        size = pair.shape[-1]
        masks = {"mouth": box_mask(batch["mouth"], size), "eyes": eyes_mask(batch["eyes"], size)}
        masks = {name: mask[:, None] for name, mask in masks.items()}
        masks = {k: torch.where(mirrored[:, 0], v.flip(-1), v) for k, v in masks.items()}
        source, driving = (laid_out(images) for images in pair.unbind(1))
        return {**batch, "source": source, "driving": driving, **masks}

    def forward(self, batch: Sample) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its weighted parts (LM:164-217)."""
        config = self.config
        source, driving = batch["source"], batch["driving"]
        result = self.network(source, driving)
        parts = {"perceptual": config.perceptual_weight * self._perceptual(result, driving)}
        if config.shift_weight or config.affine_weight:
            shift, affine = self._equivariance(batch, result)
            parts["equivariance_shift"] = config.shift_weight * shift
            parts["equivariance_affine"] = config.affine_weight * affine
        for name, weight in (("mouth", config.mouth_weight), ("eyes", config.eyes_weight)):
            if weight:
                error = mean_inside((result.prediction - driving).abs(), batch[name])
                parts[name] = weight * error
        if self.openness is not None:
            told = self.openness(described(result.motion.driving_regions))
            error = (told - batch["openness"] / OPENNESS_UNIT).abs().mean()
            parts["openness"] = config.openness_weight * error
        return torch.stack(list(parts.values())).sum(), parts

    def _perceptual(self, result: Reconstruction, driving: Tensor) -> Tensor:
        total = driving.new_zeros(())
        images = [(result.prediction, driving)]
        images += [(down(result.prediction), down(driving)) for down in self.halve]
        for prediction, truth in images:
            total = total + self.compare(prediction, truth)
        return total

    def _equivariance(self, batch: Sample, result: Reconstruction) -> tuple[Tensor, Tensor]:
        """Regions of a warped picture must be the warped regions (Siarohin 2019, 2021)."""
        warp = RandomWarp(batch["affine"], batch["spline"])
        moved = self.network.region_predictor(warp.image(batch["driving"]))
        regions = result.motion.driving_regions
        back, jacobian = warp.points_with_jacobian(moved.shift)
        shift = (regions.shift - back).abs().mean()
        value = torch.linalg.inv_ex(regions.affine).inverse @ (jacobian @ moved.affine)
        value = value * value[..., :1, :1].sign()
        eye = torch.eye(2, device=value.device, dtype=value.dtype)
        return shift, (eye - value).abs().mean()

    @torch.no_grad()
    def validate(self, batch: Sample) -> dict[str, float]:
        """L1 and PSNR of the reconstruction, and of the source left as it is."""
        prediction = self.network(batch["source"], batch["driving"]).prediction
        truth = batch["driving"]
        error, unmoved = (prediction - truth).abs(), (batch["source"] - truth).abs()
        found = {
            "l1": float(error.mean()),
            "psnr": psnr(prediction, truth),
            "psnr_of_source": psnr(batch["source"], truth),
        }
        for part in ("mouth", "eyes"):
            found[f"{part}_l1"] = float(mean_inside(error, batch[part]))
            found[f"{part}_l1_of_source"] = float(mean_inside(unmoved, batch[part]))
        return found


def described(regions: Regions) -> Tensor:
    """Places and shapes of K regions as numbers of about one, (B, 5 K)."""
    (a, b), (_, c) = (row.unbind(-1) for row in regions.covar.unbind(-2))
    covar = torch.stack((a, b, c), dim=-1)
    return 10 * torch.cat((regions.shift, 10 * covar), dim=-1).flatten(1)


def psnr(image: Tensor, truth: Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB of images (B, 3, H, W) in 0 … 1."""
    error = F.mse_loss(image, truth, reduction="none").flatten(1).mean(1).clamp(min=1e-10)
    return float((-10 * error.log10()).mean())
