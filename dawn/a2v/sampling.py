"""From noise to motion: DDIM as the official release runs it, DDIM as published, and ancestral.

The official loop differs from DDIM (Song et al. 2021) in three ways: it reads the signal level
of step t - 1 where the formula means t, it keeps the predicted noise after the clean motion was
clamped, and it starts below the last training step (952 of 999 with 20 steps). Released results
come from that loop, so it is the default; `ddim` is the published form.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

import torch
from torch import Tensor

from dawn.a2v.config import MOTION_CHANNELS
from dawn.a2v.diffusion import GaussianDiffusion

Method = Literal["ddim-official", "ddim", "ancestral"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig:
    """How to sample. The defaults are the released inference settings.

    `ancestral` (Ho et al. 2020) takes every training step: `steps` and `eta` must be left out.
    """

    method: Method = "ddim-official"
    steps: int | None = None
    eta: float | None = None
    guidance: float = 1.0

    def __post_init__(self) -> None:
        if self.method == "ancestral" and (self.steps is not None or self.eta is not None):
            raise ValueError("ancestral sampling takes every step; leave out steps and eta")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.eta is not None and not 0.0 <= self.eta <= 1.0:
            raise ValueError(f"eta must lie in 0 … 1, got {self.eta}")


class Course(Protocol):
    """Takes part in a sampler's steps; long videos are sampled in stretches that must agree."""

    def draw(self, z: Tensor) -> Tensor:
        """The next fresh standard normal noise, like `z`."""

    def settle(self, z: Tensor) -> Tensor:
        """What becomes of the motion that a step led to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What stays the same from step to step. `embedded` comes from `UNet.embed_features`."""

    diffusion: GaussianDiffusion
    embedded: Tensor
    cond: Tensor
    window: int | None
    guidance: float
    generator: torch.Generator | None
    course: Course | None = None

    def predict(self, z: Tensor, time: int) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted noise, thresholded clean motion, and the time as a tensor (B,)."""
        times = torch.full((len(z),), time, device=z.device)
        noise = self.diffusion.guided_noise(
            z, self.embedded, self.cond, times, window=self.window, guidance=self.guidance
        )
        return noise, self.diffusion.predict_z0(z, times, noise), times

    def draw(self, z: Tensor) -> Tensor:
        """Standard normal noise like `z`."""
        if self.course is not None:
            return self.course.draw(z)
        return torch.randn(z.shape, generator=self.generator, device=z.device, dtype=z.dtype)

    def settle(self, z: Tensor) -> Tensor:
        """The motion after a step, as the course wants it."""
        return z if self.course is None else self.course.settle(z)


@torch.inference_mode()
def sample(
    diffusion: GaussianDiffusion,
    features: Tensor,
    cond: Tensor,
    config: SamplerConfig,
    *,
    window: int | None,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
    course: Course | None = None,
) -> Tensor:
    """Motion (B, 3, T, h, w) for `features` (B, C, h, w) and `cond` (B, T, cond_dim).

    Starts from `noise` (B, 3, T, h, w), or draws it from `generator`. A `course` draws what else
    is random and may adjust the motion after each step.
    """
    if noise is None:
        shape = (len(cond), MOTION_CHANNELS, cond.shape[1], *features.shape[-2:])
        noise = torch.randn(shape, generator=generator, device=cond.device)
    task = Task(
        diffusion=diffusion,
        embedded=diffusion.denoise_fn.embed_features(features),
        cond=cond,
        window=window,
        guidance=config.guidance,
        generator=generator,
        course=course,
    )
    if config.method == "ancestral":
        return ancestral(task, noise)
    steps = 20 if config.steps is None else config.steps
    eta = 1.0 if config.eta is None else config.eta
    loop = ddim_official if config.method == "ddim-official" else ddim
    return loop(task, noise, steps, eta)


def ddim_official(task: Task, z: Tensor, steps: int, eta: float) -> Tensor:
    """The official loop, its three departures from DDIM included."""
    levels = task.diffusion.alphas_cumprod_prev
    grid = torch.linspace(0, len(levels), steps + 2)[:-1]
    for time, following in pairwise(reversed(grid.int().tolist())):
        noise, z0, _ = task.predict(z, time)
        z = task.settle(ddim_step(task, z0, noise, levels[time], levels[following], eta))
    return z


def ddim(task: Task, z: Tensor, steps: int, eta: float) -> Tensor:
    """DDIM as published, from the last training step, with noise consistent after clamping."""
    levels = task.diffusion.alphas_cumprod
    grid = torch.linspace(len(levels) - 1, 0, steps + 1)[:-1].round().long().tolist()
    for time, following in pairwise([*grid, None]):
        _, z0, _ = task.predict(z, time)
        level = levels[time]
        noise = (z - level.sqrt() * z0) / (1 - level).sqrt()
        after = torch.ones_like(level) if following is None else levels[following]
        z = task.settle(ddim_step(task, z0, noise, level, after, eta))
    return z


def ddim_step(
    task: Task, z0: Tensor, noise: Tensor, level: Tensor, after: Tensor, eta: float
) -> Tensor:
    """Move from signal level ᾱ `level` to `after`, with `eta` of the fresh noise DDPM would add."""
    sigma = eta * ((1 - level / after) * (1 - after) / (1 - level)).sqrt()
    z = after.sqrt() * z0 + (1 - after - sigma**2).clamp(min=0).sqrt() * noise
    return z + sigma * task.draw(z) if eta > 0 and after < 1 else z


def ancestral(task: Task, z: Tensor) -> Tensor:
    """Every training step, each drawn from the posterior given the predicted clean motion."""
    tables = task.diffusion
    for time in reversed(range(len(tables.betas))):
        _, z0, _ = task.predict(z, time)
        z = tables.posterior_mean_coef1[time] * z0 + tables.posterior_mean_coef2[time] * z
        if time > 0:
            z = z + (0.5 * tables.posterior_log_variance_clipped[time]).exp() * task.draw(z)
        z = task.settle(z)
    return z
