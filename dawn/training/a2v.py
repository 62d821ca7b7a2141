"""Training the audio-to-video diffusion: clips to noisy latent motion and its noise error."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.a2v.diffusion import NoiseLoss, at, resting_motion
from dawn.a2v.face_mask import face_box_mask
from dawn.a2v.model import A2V, flow_and_occlusion
from dawn.features.faces.blinks import closed_frames
from dawn.lfg.model import LFG
from dawn.lfg.regions import Regions
from dawn.training.clips import ClipFeatures, ClipReader, ClipRow
from dawn.training.config import A2VTraining
from dawn.training.jitter import draw_jitter, jittered, laid_out, unpacked
from dawn.training.masks import box_mask, eyes_mask, mean_inside
from dawn.training.objective import Objective
from dawn.training.order import Sample
from dawn.training.recompute import blocks, chosen, memory_of, recomputed

_SEEN = 4
"""Frames of a clip that the picture's error is taken on."""
_CPU_FRAMES, _GPU_FRAMES = 32, 200
"""Whose targets are found together: for a cache, and for few launches (10 MiB each at 128 px)."""
_LAST = {"memory_format": torch.channels_last}


@dataclass(frozen=True, slots=True)
class WindowSample:
    """A stretch of a clip, a reference frame, and everything the step draws at random."""

    config: A2VTraining
    audio_mean: float
    audio_std: float

    def __call__(
        self,
        reader: ClipReader,
        clip: ClipRow,
        own: np.random.Generator,
        shared: np.random.Generator,
    ) -> Sample:
        """ "pictures" (1 + T, S, S, 3) of bytes, the reference and the frames, "jitter" (4,),
        "cond" (T, C), the boxes "face" (4,), "mouth" (T, 4) and "eyes" (T, 2, 4), "noise"
        (3, T, h, w), "time" and "keep" (T,); with `picture_weight` "seen" (P,), numbers of frames.

        T is drawn once a batch; a clip that is shorter repeats its last frame.
        """
        clips, network = self.config.clips, self.config.network
        length = int(shared.integers(clips.frames_min, clips.frames_max + 1))
        features = reader.features(clip)
        last = max(0, clip.frames - length)
        start = int(own.integers(0, last + 1))
        if self.config.blink_share and own.random() < self.config.blink_share:
            closed = closed_frames(features.eyes)
            if len(closed):
                start = int(np.clip(own.choice(closed) - own.integers(0, length), 0, last))
        anywhere = int(own.integers(0, clip.frames))
        reference = start if clips.reference == "first" else anywhere
        numbers = np.minimum(np.arange(start, start + length), clip.frames - 1)
        pictures = reader.frames(clip, [reference, *numbers.tolist()])
        jitter = draw_jitter(self.config.jitter, own)
        latent = network.latent_size
        audio = (features.audio[numbers] - self.audio_mean) / self.audio_std
        cond = np.concatenate(
            (
                audio,
                features.pose[numbers] - features.pose[reference],
                features.eyes[numbers] - features.eyes[reference],
            ),
            axis=1,
        )
        noise = own.standard_normal((3, length, latent, latent), np.float32)
        drop = network.diffusion.null_condition_probability
        keep = own.random(length) >= drop
        return {
            **(self._seen(features, numbers, own) if self.config.picture_weight else {}),
            "pictures": torch.from_numpy(pictures),
            "jitter": jitter,
            "cond": torch.from_numpy(cond.astype(np.float32)),
            "face": torch.from_numpy(features.face[reference]),
            "mouth": torch.from_numpy(features.mouth[numbers]),
            "eyes": torch.from_numpy(features.eye_boxes[numbers]),
            "noise": torch.from_numpy(noise),
            "time": int(own.integers(0, network.diffusion.timesteps)),
            "keep": torch.from_numpy(keep),
        }

    def _seen(
        self, features: ClipFeatures, numbers: NDArray[np.int64], own: np.random.Generator
    ) -> Sample:
        """Frames to render: the one with the eyes closed furthest, and others."""
        closed = features.eyes[numbers].mean(axis=1).argmin()
        seen = np.append(own.permutation(len(numbers))[: _SEEN - 1], closed)
        return {"seen": torch.from_numpy(seen)}


@torch.no_grad()
def latent_motion(lfg: LFG, reference: Tensor, frames: Tensor) -> Tensor:
    """Motion (B, 3, T, h, w) from `reference` (B, 3, S, S) to `frames` (B, T, 3, S, S).

    Sampling grid x and y, and 2 * occlusion - 1. `lfg` must be in eval mode. Works through the
    frames in parts: no more is held than the training itself will need.
    """
    batch, count = frames.shape[:2]
    rows = torch.arange(batch, device=frames.device).repeat_interleave(count)
    regions = lfg.region_predictor(reference)  # once a clip
    flows, occlusions = [], []
    step = _GPU_FRAMES if frames.is_cuda else _CPU_FRAMES
    for part, driving in zip(rows.split(step), frames.flatten(0, 1).split(step), strict=True):
        known = Regions(*(values[part] for values in regions))
        motion = lfg.motion(laid_out(reference[part]), driving.contiguous(**_LAST), known)
        flows.append(motion.flow)
        occlusions.append(motion.occlusion)
    flow = torch.cat(flows).unflatten(0, (batch, count)).permute(0, 4, 1, 2, 3)
    occlusion = torch.cat(occlusions).unflatten(0, (batch, count)).transpose(1, 2)
    return torch.cat((flow, 2 * occlusion - 1), dim=1)


class A2VObjective(Objective):
    """The diffusion network under training; the frozen LFG makes its targets."""

    measure = "noise"
    network: A2V
    frozen: tuple[LFG, ...]

    def __init__(self, config: A2VTraining, network: A2V, lfg: LFG) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.frozen = (lfg.eval().requires_grad_(False),)

    @property
    def lfg(self) -> LFG:
        """The frozen latent flow generator."""
        return self.frozen[0]

    def narrow(self) -> list[nn.Module]:
        """The U-Net; it takes and gives motion as it is."""
        return [self.network.diffusion.denoise_fn]

    def phase(self) -> bool:
        """Whether the pictures count."""
        return bool(self.config.picture_weight) and self.progress >= self.config.picture_begin

    def prepared(self, batch: Sample) -> Sample:
        """ "frames" (B, T, 3, S, S), "reference" (B, 3, S, S), the masks "face" (B, 1, S, S),
        "mouth" and "eyes" (B, T, h, w), and with `picture_weight` "seen_mouth" and "seen_eyes"
        (B, P, S, S); the rest of a batch as it is.
        """
        network = self.network.config
        size, latent = network.image_size, network.latent_size
        images = unpacked(batch["pictures"])
        if self.config.jitter:
            images = jittered(images, batch["jitter"])
        made = {
            "frames": images[:, 1:],
            "reference": laid_out(images[:, 0]),
            "face": face_box_mask(batch["face"] * size, (size, size), size),
            "mouth": box_mask(batch["mouth"], latent),
            "eyes": eyes_mask(batch["eyes"], latent),
        }
        if self.config.picture_weight:
            rows = torch.arange(len(images), device=images.device)[:, None]
            made["seen_mouth"] = box_mask(batch["mouth"][rows, batch["seen"]], size)
            made["seen_eyes"] = eyes_mask(batch["eyes"][rows, batch["seen"]], size)
        return {**batch, **made}

    def forward(self, batch: Sample) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its weighted parts (T1:302, FD1:338-345)."""
        loss, motion = self._losses(batch, batch["keep"])
        error, predicted = loss.elementwise, loss.predicted_z0
        parts: dict[str, Tensor] = {self.network.config.diffusion.predicts: error.mean()}
        if self.config.flow_weight:
            flow = F.mse_loss(predicted[:, :2], motion[:, :2])
            occlusion = F.mse_loss(predicted[:, 2], motion[:, 2]) / 4  # of (z + 1) / 2
            parts["flow"] = self.config.flow_weight * (flow + occlusion)
        weights = {"mouth": self.config.mouth_weight, "eyes": self.config.eyes_weight}
        for name, weight in weights.items():
            if weight:
                parts[name] = weight * mean_inside(error, batch[name][:, None])
        if self.phase():
            parts["picture"] = self.config.picture_weight * self._picture(batch, predicted)
        return torch.stack(list(parts.values())).sum(), parts

    def _losses(self, batch: Sample, keep: Tensor) -> tuple[NoiseLoss, Tensor]:
        motion = latent_motion(self.lfg, batch["reference"], batch["frames"])
        features = self.network.features(
            self.lfg.features(batch["reference"]).detach(), batch["face"]
        )
        cond = batch["cond"] * keep[..., None].to(batch["cond"].dtype)
        diffusion = self.network.diffusion
        with recomputed(self._recomputed(motion) if torch.is_grad_enabled() else []):
            loss = diffusion.loss(motion, features, cond, batch["time"], batch["noise"])
        return loss, motion

    def _recomputed(self, motion: Tensor) -> list[nn.Module]:
        """The blocks that this batch is too large to keep all of."""
        unet, frames = self.network.diffusion.denoise_fn, motion.shape[0] * motion.shape[2]
        narrow = self.config.run.precision == "bfloat16"
        wanted, memory = self.config.checkpoint_blocks, memory_of(motion.device)
        return blocks(unet, chosen(wanted, self.network.config, frames, narrow, memory))

    def _picture(self, batch: Sample, predicted: Tensor) -> Tensor:
        """L1 of some frames rendered from the predicted motion: of all, the mouth and the eyes."""
        rows = torch.arange(len(predicted), device=predicted.device)[:, None]
        flow, occlusion = (part[rows, batch["seen"]] for part in flow_and_occlusion(predicted))
        source = batch["reference"][:, None].expand(-1, flow.shape[1], -1, -1, -1).flatten(0, 1)
        rendered = self.lfg.render(source, flow.flatten(0, 1), occlusion.flatten(0, 1))
        wanted = batch["frames"][rows, batch["seen"]].flatten(0, 1)
        error = (rendered - wanted).abs()
        inside = [
            mean_inside(error, batch[f"seen_{part}"].flatten(0, 1)[:, None])
            for part in ("mouth", "eyes")
        ]
        return error.mean() + inside[0] + inside[1]

    @torch.no_grad()
    def validate(self, batch: Sample) -> dict[str, float]:
        """Squared noise error of the whole latent, of the mouth and the eyes, of a zero predictor,
        and of one that holds every motion to be none."""
        loss, motion = self._losses(batch, torch.ones_like(batch["keep"]))
        error = loss.noise
        tables, time = self.network.diffusion, batch["time"]
        ratio = at(tables.sqrt_alphas_cumprod, time) / at(
            tables.sqrt_one_minus_alphas_cumprod, time
        )
        still = ratio * (motion - resting_motion(motion))
        return {
            "noise": float(error.mean()),
            "noise_of_zero": float(batch["noise"].square().mean()),
            "noise_of_still": float(still.square().mean()),
            "mouth": float(mean_inside(error, batch["mouth"][:, None])),
            "eyes": float(mean_inside(error, batch["eyes"][:, None])),
        }
