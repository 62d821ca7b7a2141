"""From noise to motion: DDIM as the official release runs it, DDIM as published, and ancestral.

The official loop differs from DDIM (Song et al. 2021) in three ways: it reads the signal level
of step t - 1 where the formula means t, it keeps the predicted noise after the clean motion was
clamped, and it starts below the last training step (952 of 999 with 20 steps). Released results
come from that loop, so it is the default; `ddim` is the published form.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from dawn.a2v.config import MOTION_CHANNELS
from dawn.a2v.diffusion import GaussianDiffusion
from dawn.a2v.step import step_for

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
        """What becomes of the motion that a step led to; `z` is not kept after the next step."""


@dataclass(frozen=True, slots=True)
class Draws:
    """A course of its own: noise from a generator, motion as it comes."""

    generator: torch.Generator | None

    def draw(self, z: Tensor) -> Tensor:
        """See Course."""
        return torch.randn(z.shape, generator=self.generator, device=z.device, dtype=z.dtype)

    def settle(self, z: Tensor) -> Tensor:
        """See Course."""
        return z


class Schedule(NamedTuple):
    """A sampler's steps. A step leads to the sum of clean motion, predicted noise, noisy motion
    and fresh noise, each times a coefficient.
    """

    times: Tensor
    """(S,) int64."""
    coefficients: Tensor
    """(S, 4) float32."""
    fresh: list[bool]
    """Whether the step takes fresh noise."""


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
    course = Draws(generator) if course is None else course
    prepared = diffusion.prepare(features, cond, window, config.guidance)
    schedule = schedule_of(diffusion, config)
    step = step_for(diffusion, prepared, noise, config.guidance)
    z, nothing = noise, torch.zeros_like(noise)
    for number, fresh in enumerate(schedule.fresh):
        own = slice(number, number + 1)
        drawn = course.draw(z) if fresh else nothing
        z = course.settle(step(z, drawn, schedule.times[own], schedule.coefficients[own]))
    return z.clone()


def schedule_of(diffusion: GaussianDiffusion, config: SamplerConfig) -> Schedule:
    """The steps of a method, on the network's device."""
    steps = 20 if config.steps is None else config.steps
    eta = 1.0 if config.eta is None else config.eta
    if config.method == "ancestral":
        times, rows = ancestral(diffusion)
    elif config.method == "ddim":
        times, rows = ddim(diffusion, steps, eta)
    else:
        times, rows = ddim_official(diffusion, steps, eta)
    device = diffusion.betas.device
    fresh = [bool(row[3] != 0) for row in rows]
    return Schedule(torch.tensor(times).to(device), torch.stack(rows).to(device), fresh)


def ddim_official(
    diffusion: GaussianDiffusion, steps: int, eta: float
) -> tuple[list[int], list[Tensor]]:
    """The official loop, its three departures from DDIM included."""
    levels = diffusion.alphas_cumprod_prev.cpu()
    grid = torch.linspace(0, len(levels), steps + 2, device="cpu")[:-1]
    pairs = list(pairwise(reversed(grid.int().tolist())))
    rows = []
    for time, following in pairs:
        of_z0, of_noise, of_fresh = towards(levels[time], levels[following], eta)
        rows.append(torch.stack((of_z0, of_noise, torch.zeros_like(of_z0), of_fresh)))
    return [time for time, _ in pairs], rows


def ddim(diffusion: GaussianDiffusion, steps: int, eta: float) -> tuple[list[int], list[Tensor]]:
    """DDIM as published, from the last training step, with noise consistent after clamping."""
    levels = diffusion.alphas_cumprod.cpu()
    grid = torch.linspace(len(levels) - 1, 0, steps + 1, device="cpu")[:-1].round().long().tolist()
    rows = []
    for time, following in pairwise([*grid, None]):
        level = levels[time]
        after = torch.ones_like(level) if following is None else levels[following]
        of_z0, of_noise, of_fresh = towards(level, after, eta)
        # the noise is (z - sqrt(level) z_0) / sqrt(1 - level)
        of_z = of_noise / (1 - level).sqrt()
        of_z0 = of_z0 - of_z * level.sqrt()
        rows.append(torch.stack((of_z0, torch.zeros_like(of_z), of_z, of_fresh)))
    return grid, rows


def towards(level: Tensor, after: Tensor, eta: float) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients of clean motion, noise and fresh noise that lead from signal level ᾱ `level`
    to `after`, with `eta` of the fresh noise DDPM would add.
    """
    sigma = eta * ((1 - level / after) * (1 - after) / (1 - level)).sqrt()
    return after.sqrt(), (1 - after - sigma**2).clamp(min=0).sqrt(), sigma


def ancestral(diffusion: GaussianDiffusion) -> tuple[list[int], list[Tensor]]:
    """Every training step, each drawn from the posterior given the predicted clean motion."""
    of_fresh = (0.5 * diffusion.posterior_log_variance_clipped).exp()
    of_fresh[0] = 0
    of_z0, of_z = diffusion.posterior_mean_coef1, diffusion.posterior_mean_coef2
    rows = torch.stack((of_z0, torch.zeros_like(of_z0), of_z, of_fresh), dim=1).cpu().flip(0)
    return list(reversed(range(len(rows)))), list(rows)
