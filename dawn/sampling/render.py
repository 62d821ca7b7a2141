"""Motion to pictures: the source is encoded once, frames are rendered a few at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.a2v.model import flow_and_occlusion
from dawn.device import free_memory
from dawn.lfg.model import LFG

CPU_FRAMES = 16
"""Rendered at once on a CPU: more do not fit its caches."""
GPU_FRAMES = 64
"""Rendered at once on a GPU that has the memory; more are hardly faster (docs/performance.md)."""
BYTES_PER_PIXEL = 2048
"""What rendering holds for each pixel of a frame, in float32: measured 1,700 at 128 pixels."""


def frames_at_once(size: int, free: int | None) -> int:
    """Frames of `size` pixels to render at once, `free` being the GPU's free bytes; None: a CPU.

    A power of two on a GPU, so that it, and the rounding that depends on it, hardly ever differs
    between runs. Half of what is free stays so: the denoising network needs some.
    """
    if free is None:
        return CPU_FRAMES
    frames = GPU_FRAMES
    while frames > 1 and frames * size * size * BYTES_PER_PIXEL > free // 2:
        frames //= 2
    return frames


@dataclass(frozen=True, slots=True)
class Batch:
    """Rendered pictures, still on their device."""

    pictures: Tensor
    """RGB (t, S, S, 3), uint8."""
    ready: torch.cuda.Event | None = None
    """When a GPU has finished them."""

    @classmethod
    def of(cls, pictures: Tensor) -> "Batch":
        """The pictures that the current stream works on."""
        if not pictures.is_cuda:
            return cls(pictures)
        ready = torch.cuda.Event()
        ready.record(torch.cuda.current_stream(pictures.device))
        return cls(pictures, ready)


class Renderer:
    """Renders motion on one source picture (3, S, S), RGB in 0 … 1; `chunk` frames at most at
    once, None: as many as suit the device.
    """

    @torch.inference_mode()
    def __init__(self, lfg: LFG, source: Tensor, chunk: int | None = None) -> None:
        self._generator = lfg.generator
        self._source = source[None]
        self.chunk = chunk or frames_at_once(source.shape[-1], free_memory(source.device))
        self._levels = lfg.generator.encode(self._source)

    @property
    def features(self) -> Tensor:
        """What the diffusion is conditioned on, (1, C, S / 4, S / 4)."""
        return self._levels[-1]

    @torch.inference_mode()
    def batches(self, motion: Tensor) -> Iterator[Batch]:
        """Motion (3, T, h, w) to pictures, at most `chunk` in each batch."""
        flow, occlusion = flow_and_occlusion(motion[None])
        for begin in range(0, flow.shape[1], self.chunk):
            part = slice(begin, begin + self.chunk)
            yield self.rendered(flow[0, part], occlusion[0, part])

    @torch.inference_mode()
    def rendered(self, flow: Tensor, occlusion: Tensor) -> Batch:
        """Flow (T, h, w, 2) and occlusion (T, 1, h, w) to T pictures."""
        count = len(flow)
        levels = [level.expand(count, -1, -1, -1) for level in self._levels]
        source = self._source.expand(count, -1, -1, -1)
        images = self._generator.decode(source, levels, flow, occlusion)
        return Batch.of(as_pictures(images))


def as_pictures(images: Tensor) -> Tensor:
    """(T, 3, S, S) in 0 … 1 to RGB (T, S, S, 3), uint8, on the same device."""
    levels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous()


class ToHost:
    """Brings batches to the host: one copy each, by a stream of its own into pinned memory, so
    that neither waits for what the device was given to do since.
    """

    def __init__(self) -> None:
        self._stream: torch.cuda.Stream | None = None
        self._pinned: Tensor | None = None

    def __call__(self, batch: Batch) -> NDArray[np.uint8]:
        """The pictures (t, S, S, 3); from a GPU they are valid until the next call."""
        pictures = batch.pictures
        if batch.ready is None:
            return pictures.numpy()
        if self._stream is None:
            self._stream = torch.cuda.Stream(pictures.device)
        if self._pinned is None or self._pinned.numel() < pictures.numel():
            self._pinned = torch.empty(pictures.numel(), dtype=torch.uint8, pin_memory=True)
        host = self._pinned[: pictures.numel()].view(pictures.shape)
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            self._stream.wait_event(batch.ready)
            host.copy_(pictures, non_blocking=True)
        self._stream.synchronize()
        return host.numpy()


def as_tensor(picture: NDArray[np.uint8], device: torch.device) -> Tensor:
    """RGB (…, S, S, 3) to (…, 3, S, S) in 0 … 1."""
    return torch.from_numpy(np.ascontiguousarray(picture)).to(device).movedim(-1, -3).float() / 255
