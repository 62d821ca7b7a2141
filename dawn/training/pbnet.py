"""Training the pose and blink network: variational reconstruction, and an adversary."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.pbnet.model import PBNet
from dawn.training.clips import ClipReader, ClipRow
from dawn.training.config import PBNetTraining
from dawn.training.objective import Objective
from dawn.training.order import Sample
from dawn.training.states import StateRange

SEED_SHARE = 0.5
"""Least share of drawn motion's variance that is chance's, where `spread_weight` is set."""
_SLOW = 9


@dataclass(frozen=True, slots=True)
class SequenceSample:
    """A stretch of a clip; shorter clips are padded and marked."""

    config: PBNetTraining
    audio_mean: float
    audio_std: float
    states: StateRange

    def __call__(
        self,
        reader: ClipReader,
        clip: ClipRow,
        own: np.random.Generator,
        shared: np.random.Generator,  # noqa: ARG002 - of the shared signature
    ) -> Sample:
        """ "states" (T, D), "audio" (T, A), "valid" (T,); "noise" and "prior" (T, L) for the
        latent."""
        length, network = self.config.frames, self.config.network
        features = reader.features(clip)
        start = int(own.integers(0, max(1, clip.frames - length + 1)))
        part = slice(start, min(start + length, clip.frames))
        count = part.stop - part.start
        pose, eyes = torch.from_numpy(features.pose[part]), torch.from_numpy(features.eyes[part])
        states = self.states.normalised(pose, eyes, network.pose_dim, network.eye_dim)
        audio = torch.from_numpy(features.audio[part] - self.audio_mean) / self.audio_std
        missing = length - count
        noise = own.standard_normal((2, length, network.latent_dim), np.float32)
        return {
            "states": torch.cat((states, states[-1:].expand(missing, -1))),
            "audio": F.pad(audio, (0, 0, 0, missing)),
            "valid": torch.arange(length) < count,
            "noise": torch.from_numpy(noise[0]),
            "prior": torch.from_numpy(noise[1]),
        }


class PatchAdversary(nn.Module):
    """1-D PatchGAN over absolute state sequences (PBT:51-75): (B, T, D) to logits (B, ·)."""

    def __init__(self, states: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(states, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv1d(64, 128, 4, stride=2, padding=1),
            nn.GroupNorm(8, 128),  # officially batch norm, which would tie samples together
            nn.LeakyReLU(0.2),
            nn.Conv1d(128, 256, 4, stride=2, padding=1),
            nn.GroupNorm(8, 256),
            nn.LeakyReLU(0.2),
            nn.Conv1d(256, 1, 3, padding=1),
        )

    def forward(self, states: Tensor) -> Tensor:
        """Logits: high for what looks real."""
        out: Tensor = self.layers(states.transpose(1, 2)).flatten(1)
        return out


class PBNetObjective(Objective):
    """PBNet, its adversary and their losses.

    The adversary learns from detached samples and the network from the adversary's view of its
    samples, in one backward pass: gradients of the adversary's own weights are reversed for the
    second by taking its loss with weights that do not learn.
    """

    measure = "reconstruction"
    network: PBNet

    def __init__(self, config: PBNetTraining, network: PBNet) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.adversary = PatchAdversary(network.config.state_dim) if config.gan_weight else None

    def forward(self, batch: Sample) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its weighted parts (CAE:143-162, PBL)."""
        config = self.config
        states, valid = batch["states"], batch["valid"]
        mean, log_variance = self.network.encoder(states, batch["audio"], valid)
        latent = mean + batch["noise"].transpose(0, 1) * (log_variance / 2).exp()
        changes = self.network.decoder(states[:, 0], batch["audio"], latent) * valid[..., None]
        truth = (states - states[:, :1]) * valid[..., None]
        parts = {"reconstruction": masked_mean((changes - truth).square(), valid)}
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance) / 2
        weight = config.kl_weight * self._kl_share()
        parts["kl"] = weight * masked_mean(divergence.transpose(0, 1), valid)
        if config.smooth_weight:
            steps = changes.diff(dim=1).square()
            parts["smooth"] = config.smooth_weight * masked_mean(steps, valid[:, 1:])
        if config.spread_weight:
            drawn, other = self._two_draws(batch)
            gap = spread_gap(drawn, truth, valid) + chance_gap(drawn - other, truth, valid)
            parts["spread"] = config.spread_weight * gap
            if config.blink_weight:
                eyes = slice(self.network.config.pose_dim, None)
                gap = quantile_gap(drawn[..., eyes], truth[..., eyes], valid)
                parts["blink"] = config.blink_weight * gap
        if self.adversary is not None:
            fake = (changes + states[:, :1]) * valid[..., None]
            real = states * valid[..., None]
            parts |= self._adversarial(self.adversary, fake, real)
        return torch.stack(list(parts.values())).sum(), parts

    def _two_draws(self, batch: Sample) -> tuple[Tensor, Tensor]:
        """Changes of state decoded from two latents of the prior."""
        draws = torch.cat([batch[key].transpose(0, 1) for key in ("prior", "noise")], dim=1)
        first, audio = batch["states"][:, 0], batch["audio"]
        decoded = self.network.decoder(torch.cat((first, first)), torch.cat((audio, audio)), draws)
        return decoded[: len(first)], decoded[len(first) :]

    def _kl_share(self) -> float:
        begin, full = self.config.kl_begin, self.config.kl_full
        return float(np.clip((self.progress - begin) / max(full - begin, 1e-9), 0, 1))

    def _adversarial(
        self, adversary: PatchAdversary, fake: Tensor, real: Tensor
    ) -> dict[str, Tensor]:
        ones = F.binary_cross_entropy_with_logits
        seen, detached = adversary(real), adversary(fake.detach())
        judge = ones(seen, torch.ones_like(seen)) + ones(detached, torch.zeros_like(detached))
        frozen = {name: value.detach() for name, value in adversary.named_parameters()}
        fooled = torch.func.functional_call(adversary, frozen, (fake,))
        weight = self.config.gan_weight
        return {"gan": weight * ones(fooled, torch.ones_like(fooled)), "adversary": judge}

    @torch.no_grad()
    def validate(self, batch: Sample) -> dict[str, float]:
        """Mean squared error from the latent's mean, of no motion, sampled and true spread, and
        the mean squared difference of two samples."""
        states, valid = batch["states"], batch["valid"]
        mean, _ = self.network.encoder(states, batch["audio"], valid)
        changes = self.network.decoder(states[:, 0], batch["audio"], mean)
        truth = states - states[:, :1]
        sampled, other = self._two_draws(batch)
        return {
            "reconstruction": float(masked_mean((changes - truth).square(), valid)),
            "no_motion": float(masked_mean(truth.square(), valid)),
            "sampled_spread": float(masked_mean((sampled - sampled.mean(1, True)).square(), valid)),
            "true_spread": float(masked_mean((truth - truth.mean(1, True)).square(), valid)),
            "between_seeds": float(masked_mean((sampled - other).square(), valid)),
        }


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, T, C) over valid frames (B, T) of each sample, then over samples."""
    weights = valid[..., None].to(values.dtype)
    per_sample = (values * weights).sum((1, 2)) / (weights.sum((1, 2)) * values.shape[-1])
    return per_sample.mean()


def spread_gap(drawn: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean squared gap of log variances, of the states and of their steps, (B, T, D) each.

    Ours: motion decoded from the prior must spread, and change from frame to frame, like the
    truth. Without it a latent per frame is averaged away in few steps of training.
    """
    gaps = []
    for one, other, mask in (
        (drawn, truth, valid),
        (drawn.diff(dim=1), truth.diff(dim=1), valid[:, 1:]),
    ):
        gaps.append((log_variance(one, mask) - log_variance(other, mask)).square().mean())
    return torch.stack(gaps).sum()


def quantile_gap(drawn: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """How far apart sorted values, and sorted steps, of (B, T, D) each lie: mean absolute gap.

    Ours: eyes that are wider than the first frame's for a while are as lively as ones that blink;
    the variances of `spread_gap` do not tell them apart, the quantiles do.
    """
    steps = valid[:, 1:] & valid[:, :-1]
    return sorted_gap(drawn, truth, valid) + sorted_gap(drawn.diff(dim=1), truth.diff(dim=1), steps)


def sorted_gap(one: Tensor, other: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference over the valid frames of (B, T, D), each sorted by itself."""
    hidden = ~valid[..., None]  # as large as nothing else: they come last in both and cancel
    first, second = (x.masked_fill(hidden, 1e6).sort(dim=1).values for x in (one, other))
    return (first - second).abs().sum() / (valid.sum() * one.shape[-1]).clamp(min=1)


def chance_gap(difference: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """How far the variance of the difference of two draws (B, T, D) is too small, squared in logs.

    Ours: at least `SEED_SHARE` of the variance must be the seed's. Otherwise all draws make one and
    the same motion, which is as lively as the truth, and the latent adds a tremor. Means over a
    third of a second count, because a tremor is what differs most easily.
    """
    count = min(_SLOW, truth.shape[1])
    slow, wanted = (
        F.avg_pool1d(x.transpose(1, 2), count, 1).transpose(1, 2) for x in (difference, truth)
    )
    whole = valid[:, count - 1 :]
    least = log_variance(wanted, whole) + math.log(2 * SEED_SHARE)  # independent ones: twice
    return (least - log_variance(slow, whole)).clamp(min=0).square().mean()


def log_variance(values: Tensor, valid: Tensor) -> Tensor:
    """Log variance over the valid frames (B, T) of (B, T, D), (B, D)."""
    weights = valid[..., None].to(values.dtype)
    count = weights.sum(1).clamp(min=1)
    mean = (values * weights).sum(1) / count
    variance = ((values - mean[:, None]).square() * weights).sum(1) / count
    return (variance + 1e-6).log()
