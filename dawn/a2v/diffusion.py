"""Noise, its prediction and its loss: the diffusion around the U-Net (DAWN §3.3).

Ho et al. 2020 with the cosine schedule of Nichol and Dhariwal 2021 and the dynamic thresholding
of Saharia et al. 2022. Latent motion z is (B, 3, T, h, w). Buffers carry the official names.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dawn.a2v.config import MOTION_UNIT, A2VConfig, DiffusionConfig
from dawn.a2v.unet import Prepared, UNet
from dawn.lfg.blocks import coordinate_grid

SCHEDULE_OFFSET = 0.008
MAX_BETA = 0.9999


class NoiseLoss(NamedTuple):
    """Squared errors, and the motion implied, (B, 3, T, h, w) each.

    `elementwise` is of what the network predicts, `noise` of the noise: the same where it predicts
    noise. `predicted_z0` is thresholded.
    """

    elementwise: Tensor
    noise: Tensor
    predicted_z0: Tensor


class GaussianDiffusion(nn.Module):
    """The schedule's buffers, `denoise_fn`, and the formulas that connect z_t, z_0 and noise."""

    betas: Tensor
    alphas_cumprod: Tensor
    alphas_cumprod_prev: Tensor
    sqrt_alphas_cumprod: Tensor
    sqrt_one_minus_alphas_cumprod: Tensor
    sqrt_recip_alphas_cumprod: Tensor
    sqrt_recipm1_alphas_cumprod: Tensor
    posterior_log_variance_clipped: Tensor
    posterior_mean_coef1: Tensor
    posterior_mean_coef2: Tensor

    def __init__(self, config: A2VConfig) -> None:
        super().__init__()
        self.config: DiffusionConfig = config.diffusion
        self.denoise_fn = UNet(config.unet)
        for name, values in cosine_schedule(config.diffusion.timesteps).items():
            self.register_buffer(name, values.float())

    def add_noise(self, z0: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """z_t at `times` (B,): sqrt(ᾱ) z_0 + sqrt(1 - ᾱ) noise."""
        signal = at(self.sqrt_alphas_cumprod, times)
        return signal * z0 + at(self.sqrt_one_minus_alphas_cumprod, times) * noise

    def predict_z0(self, z: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """The clean motion that `noise` implies, thresholded to -1 … 1."""
        clean = at(self.sqrt_recip_alphas_cumprod, times) * z
        clean = clean - at(self.sqrt_recipm1_alphas_cumprod, times) * noise
        return dynamic_threshold(clean, self.config.threshold_percentile)

    def loss(
        self, z0: Tensor, features: Tensor, cond: Tensor, times: Tensor, noise: Tensor
    ) -> NoiseLoss:
        """The training loss before any mean, for noise that the caller drew.

        Arguments as `UNet.forward`; drop conditions first, see `drop_conditions`. Attention
        spans all frames, as in training.
        """
        z = self.add_noise(z0, times, noise)
        output = self.denoise_fn(z, features, cond, times)
        predicted = self.noise_of(output, z, times)
        error = (predicted - noise).square()
        if self.config.predicts == "noise":
            return NoiseLoss(error, error, self.predict_z0(z, times, predicted))
        target = (z0 - resting_motion(z0)) / motion_unit(z0)
        moved = resting_motion(z) + motion_unit(z) * output
        clean = dynamic_threshold(moved, self.config.threshold_percentile)
        return NoiseLoss((output - target).square(), error, clean)

    def noise_of(self, output: Tensor, z: Tensor, times: Tensor) -> Tensor:
        """The noise in `z` according to the network's output, see `DiffusionConfig.predicts`."""
        if self.config.predicts == "noise":
            return output
        z0 = resting_motion(z) + motion_unit(z) * output
        signal = at(self.sqrt_alphas_cumprod, times)
        return (z - signal * z0) / at(self.sqrt_one_minus_alphas_cumprod, times)

    def prepare(
        self, features: Tensor, cond: Tensor, window: int | None, guidance: float
    ) -> Prepared:
        """What `guided_noise` needs beside motion and time; see `UNet.prepare`."""
        if guidance != 1.0:  # without conditions too, in the same batch
            cond = torch.cat((cond, torch.zeros_like(cond)))
            features = features.repeat(2, *[1] * (features.ndim - 1))
        prepared: Prepared = self.denoise_fn.prepare(features, cond, window)
        return prepared

    def guided_noise(self, z: Tensor, prepared: Prepared, times: Tensor, guidance: float) -> Tensor:
        """Predicted noise with classifier-free guidance: null + guidance * (cond - null).

        `prepared` is for this guidance. At guidance 1 nothing is asked without conditions.
        """
        if guidance == 1.0:
            return self.noise_of(self.denoise_fn.denoise(z, prepared, times), z, times)
        both = self.denoise_fn.denoise(torch.cat((z, z)), prepared, torch.cat((times, times)))
        output, null = both.chunk(2)
        return self.noise_of(null + guidance * (output - null), z, times)


def cosine_schedule(timesteps: int) -> dict[str, Tensor]:
    """The twelve tables (timesteps,) of the cosine schedule, float64."""
    # On the CPU whatever device is the default: networks are also built without storage.
    kind, cpu = torch.float64, torch.device("cpu")
    steps = torch.linspace(0, timesteps, timesteps + 1, dtype=kind, device=cpu) / timesteps
    angles = (steps + SCHEDULE_OFFSET) / (1 + SCHEDULE_OFFSET) * math.pi / 2
    signal = angles.cos() ** 2
    betas = (1 - signal[1:] / signal[:-1]).clamp(0, MAX_BETA)
    alphas = 1 - betas
    cumulative = alphas.cumprod(0)
    previous = torch.cat((torch.ones(1, dtype=kind, device=cpu), cumulative[:-1]))
    variance = betas * (1 - previous) / (1 - cumulative)
    return {
        "betas": betas,
        "alphas_cumprod": cumulative,
        "alphas_cumprod_prev": previous,
        "sqrt_alphas_cumprod": cumulative.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - cumulative).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - cumulative).log(),
        "sqrt_recip_alphas_cumprod": (1 / cumulative).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / cumulative - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * previous.sqrt() / (1 - cumulative),
        "posterior_mean_coef2": (1 - previous) * alphas.sqrt() / (1 - cumulative),
    }


def resting_motion(like: Tensor) -> Tensor:
    """No motion, (1, 3, 1, h, w): each cell samples itself, half of it occluded."""
    grid = coordinate_grid(like).permute(2, 0, 1)
    return torch.cat((grid, torch.zeros_like(grid[:1])))[None, :, None]


def motion_unit(like: Tensor) -> Tensor:
    """`MOTION_UNIT` to meet (B, 3, T, h, w)."""
    return torch.stack([like.new_full((), unit) for unit in MOTION_UNIT]).view(1, -1, 1, 1, 1)


def dynamic_threshold(z0: Tensor, percentile: float) -> Tensor:
    """Clamp each clip to its `percentile` of absolute values (at least 1) and scale that to 1."""
    sizes = z0.flatten(1).abs()
    bound = quantile(sizes, percentile).clamp(min=1.0).view(-1, *[1] * (z0.ndim - 1))
    return z0.clamp(-bound, bound) / bound


def quantile(x: Tensor, fraction: float) -> Tensor:
    """The linearly interpolated quantile of each row of (B, N), (B,).

    `torch.quantile` refuses more than 2^24 elements: 1365 frames of 64 x 64 motion.
    """
    rank = fraction * (x.shape[1] - 1)
    below = math.floor(rank)
    above = min(below + 1, x.shape[1] - 1)
    if x.device.type == "cpu":  # a GPU sorts at once, but selects with one of its processors
        low = x.kthvalue(below + 1, dim=1).values
        high = low if rank == below else x.kthvalue(above + 1, dim=1).values
    else:
        ordered = x.sort(dim=1).values
        low, high = ordered[:, below], ordered[:, above]
    return low.lerp(high, rank - below)


def drop_conditions(
    cond: Tensor, probability: float, generator: torch.Generator | None = None
) -> Tensor:
    """Zero whole frames of `cond` (B, T, C), each with `probability`, for guidance to learn from.

    Per frame and not per clip, as in the official training.
    """
    draws = torch.rand(cond.shape[:2], generator=generator, device=cond.device)
    return cond * (draws >= probability).unsqueeze(-1).to(cond.dtype)


def at(table: Tensor, times: Tensor) -> Tensor:
    """The entries of a schedule's table at `times` (B,), shaped to meet (B, 3, T, h, w)."""
    return table[times].view(-1, 1, 1, 1, 1)
