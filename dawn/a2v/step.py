"""One denoising step: launched operation by operation, or on a GPU replayed as a CUDA graph.

A step is several hundred launches, which take a processor longer than a GPU needs for a short
clip. A graph replays them at once. Capturing one costs about three steps and keeps the memory of
its intermediate results, so it is done when a network sees clips of one length again.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from dawn.a2v.diffusion import GaussianDiffusion
from dawn.a2v.unet import Prepared

Step = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""From motion (B, 3, T, h, w), fresh noise like it, the time (1,) and the coefficients (1, 4) of
a `Schedule` to the motion after the step, which the next call may overwrite."""

GRAPHS = 6
"""Graphs that a network keeps; they share the memory of their intermediate results."""

REMEMBERED = 64
"""Kinds of clips that a network remembers having seen."""


def take_step(
    diffusion: GaussianDiffusion,
    prepared: Prepared,
    guidance: float,
    z: Tensor,
    fresh: Tensor,
    time: Tensor,
    coefficients: Tensor,
) -> Tensor:
    """See `Step`. Nothing here waits for the device or depends on a value there."""
    noise = diffusion.guided_noise(z, prepared, time.expand(len(z)), guidance)
    z0 = diffusion.predict_z0(z, time.expand(len(z)), noise)
    of_z0, of_noise, of_z, of_fresh = coefficients[0].unbind()
    return of_z0 * z0 + of_noise * noise + of_z * z + of_fresh * fresh


def step_for(diffusion: GaussianDiffusion, prepared: Prepared, z: Tensor, guidance: float) -> Step:
    """How to take steps with clips like `z` (B, 3, T, h, w); see `take_step`."""

    def plain(z: Tensor, fresh: Tensor, time: Tensor, coefficients: Tensor) -> Tensor:
        return take_step(diffusion, prepared, guidance, z, fresh, time, coefficients)

    if z.device.type != "cuda":
        return plain
    graphs = _graphs.setdefault(diffusion, _Graphs())
    return graphs.step(diffusion, prepared, z, guidance) or plain


class _Graph:
    """A captured step, and the tensors that it reads and writes."""

    def __init__(
        self, diffusion: GaussianDiffusion, prepared: Prepared, z: Tensor, guidance: float,
        pool: Any,  # noqa: ANN401 - PyTorch's handle
    ) -> None:  # fmt: skip
        self._prepared = prepared
        self._inputs = (
            z.clone(),
            torch.zeros_like(z),
            torch.zeros(1, dtype=torch.long, device=z.device),
            torch.zeros(1, 4, device=z.device),
        )
        self._graph = torch.cuda.CUDAGraph()
        # other threads may copy pictures meanwhile
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._out = take_step(diffusion, prepared, guidance, *self._inputs)

    def prepare(self, prepared: Prepared) -> Step:
        """The step for another clip of the kind."""
        for own, other in zip(self._prepared.tensors(), prepared.tensors(), strict=True):
            if own is not other:
                own.copy_(other)
        return self

    def __call__(self, *given: Tensor) -> Tensor:
        for own, other in zip(self._inputs, given, strict=True):
            own.copy_(other)
        self._graph.replay()
        return self._out


class _Graphs:
    """A network's graphs, and the kinds of clips it has seen; the last used are kept."""

    def __init__(self) -> None:
        self._seen = OrderedDict[object, None]()
        self._kept = OrderedDict[object, _Graph]()
        self._pool: Any = None

    def step(
        self, diffusion: GaussianDiffusion, prepared: Prepared, z: Tensor, guidance: float
    ) -> Step | None:
        """The graph for such clips, or None for those that are new."""
        shapes = [(tensor.shape, tensor.dtype) for tensor in prepared.tensors()]
        # weights may be cast or replaced, but a graph reads where they were
        weights = hash(tuple(weight.data_ptr() for weight in diffusion.parameters()))
        kind = (z.shape, z.dtype, z.device, guidance, weights, *shapes)
        if kind not in self._seen:
            self._seen[kind] = None
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            return None
        if kind not in self._kept:
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            self._kept[kind] = _Graph(diffusion, prepared, z, guidance, self._pool)
            while len(self._kept) > GRAPHS:
                self._kept.popitem(last=False)
        for known in (self._seen, self._kept):
            known.move_to_end(kind)
        return self._kept[kind].prepare(prepared)


_graphs: WeakKeyDictionary[GaussianDiffusion, _Graphs] = WeakKeyDictionary()
