"""Latent motion of any length, one stretch of frames after the other.

The network sees a stretch of frames at once. A stretch begins `overlap` frames before the end of
the one before it. Both draw the same noise for these frames, and after every denoising step the
overlap is a mixture of what the first stretch had there at that step and what the second one made:
all of the first at its beginning, all of the second at its end. So the second stretch denoises in
sight of the first one's frames at the same noise level, and no frame's motion comes from one
stretch while its neighbour's comes from the other: there is no border at which identity or
brightness could jump. (Cutting and joining finished stretches would leave one: group norm and
thresholding look at a whole stretch, so the same frame comes out differently in two.) Only the
overlap's motion at each step is kept, hence memory does not grow with the length, and what comes
first does not depend on what follows.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from dawn.a2v.config import MOTION_CHANNELS
from dawn.a2v.diffusion import GaussianDiffusion
from dawn.a2v.sampling import sample
from dawn.sampling.noise import Kind, frame_noise
from dawn.sampling.settings import GenerateConfig


def stretches(
    frames: int, length: int, overlap: int, first: int | None = None
) -> list[tuple[int, int]]:
    """The [start, stop) frames that are denoised at once: `length` long, but for the last.

    With `first`, the first stretch has so many and each that follows twice as many as the one
    before it, until they are `length` long: pictures come early, and each stretch leaves the time
    in which the next one is made.
    """
    size = length if first is None else first
    plan = [(0, min(size, frames))]
    while plan[-1][1] < frames:
        size = min(length, max(2 * size, 2 * overlap))
        start = plan[-1][1] - overlap
        plan.append((start, min(start + size, frames)))
    return plan


def work(frames: int, config: GenerateConfig) -> int:
    """Frames times denoising steps: what `on_step` adds up to."""
    plan = stretches(frames, config.stretch, config.overlap, config.first_stretch)
    return config.steps * sum(stop - start for start, stop in plan)


Noise = Callable[[Kind, range, range, tuple[int, ...]], Tensor]
"""`frame_noise` of one video."""

DRAWN_AT_ONCE = 2**22
"""Numbers: so many that a GPU is not kept waiting for launches, and no more memory than a step."""


class _Stretch:
    """The part of one stretch in the sampler's steps; see `dawn.a2v.sampling.Course`."""

    def __init__(
        self,
        noise: Noise,
        start: int,
        stop: int,
        overlap: int,
        before: list[Tensor],
        on_step: Callable[[int], None] | None,
    ) -> None:
        self._noise, self._start, self._stop = noise, start, stop
        self._fresh: Iterator[Tensor] = iter(())
        self._overlap = overlap
        self._before = before
        """Of each step: the end of the stretch before, (1, 3, overlap, h, w)."""
        self._draws = 0
        self._on_step = on_step
        self.ends: list[Tensor] = []
        """Of each step: this stretch's own last frames."""

    def first(self, shape: tuple[int, ...]) -> Tensor:
        """The noise to begin with, (1, 3, T, h, w); `shape` is (3, h, w)."""
        return self._drawn("start", range(1), shape)[0]

    def draw(self, z: Tensor) -> Tensor:
        """See Course."""
        fresh = next(self._fresh, None)
        if fresh is None:
            count = max(1, DRAWN_AT_ONCE // z.numel())
            shape = (z.shape[1], *z.shape[3:])
            numbers = range(self._draws, self._draws + count)
            self._fresh = iter(self._drawn("step", numbers, shape))
            fresh = next(self._fresh)
        self._draws += 1
        return fresh.to(z.dtype)

    def settle(self, z: Tensor) -> Tensor:
        """See Course."""
        if self._before:
            earlier = self._before[len(self.ends)]
            count = earlier.shape[2]
            share = torch.linspace(1, 0, count + 2, device=z.device, dtype=z.dtype)[1:-1]
            share = share.view(-1, 1, 1)
            mixed = share * earlier + (1 - share) * z[:, :, :count]
            z = torch.cat((mixed, z[:, :, count:]), dim=2)
        self.ends.append(z[:, :, -self._overlap :].clone())
        if self._on_step is not None:
            self._on_step(self._stop - self._start)
        return z

    def _drawn(self, kind: Kind, numbers: range, shape: tuple[int, ...]) -> Tensor:
        """(numbers, 1, 3, T, h, w)."""
        noise = self._noise(kind, numbers, range(self._start, self._stop), shape)
        return noise.transpose(1, 2).unsqueeze(1).contiguous()


@torch.inference_mode()
def sample_motion(
    diffusion: GaussianDiffusion,
    features: Tensor,
    cond: Tensor,
    config: GenerateConfig,
    *,
    window: int,
    seed: int,
    on_step: Callable[[int], None] | None = None,
) -> Iterator[Tensor]:
    """Yield the motion (3, t, h, w) of all frames in order, a stretch at a time.

    `features` (1, C, h, w) lies on the network's device; `cond` (T, cond_dim) may stay on the CPU.
    `on_step` hears of each denoising step and of how many frames it was.
    """
    frames = len(cond)
    noise = partial(frame_noise, seed, device=features.device, stream=config.noise)
    plan = stretches(frames, config.stretch, config.overlap, config.first_stretch)
    before: list[Tensor] = []
    for (start, stop), after in zip(plan, [*plan[1:], (frames, frames)], strict=True):
        stretch = _Stretch(noise, start, stop, config.overlap, before, on_step)
        shape = (MOTION_CHANNELS, *features.shape[-2:])
        z = sample(
            diffusion,
            features,
            cond[None, start:stop].to(features.device),
            config.sampler,
            window=window,
            noise=stretch.first(shape),
            course=stretch,
        )
        before = stretch.ends
        yield z[0, :, : after[0] - start]
