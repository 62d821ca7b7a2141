"""A pass forward and backward as one CUDA graph: thousands of launches become one.

A small network's step is a queue of short kernels that Python cannot fill. A graph replays them
with other numbers in the same memory
(https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture).
"""

import warnings
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from dawn.training.objective import Objective
from dawn.training.order import Sample

Passed = tuple[Tensor, dict[str, Tensor]]
"""A batch's loss and its parts; gradients are in the weights' `grad`."""

AFTER = 3
"""Like batches in a row that are computed plainly first: kernels are chosen in them, and what comes
once costs no capture."""


def kind_of(batch: Sample, phase: Hashable) -> Hashable:
    """What must agree for one graph to compute both of two batches."""
    shapes = ((name, tuple(value.shape), value.dtype) for name, value in sorted(batch.items()))
    return (phase, *shapes)


class GraphedPass:
    """Computes passes; those that follow like ones are replays. Gradients must be None before."""

    def __init__(self, objective: Objective, plain: Callable[[Sample], Passed]) -> None:
        self._objective, self._plain = objective, plain
        self._weights = [w for w in objective.parameters() if w.requires_grad]
        self._stream: Any = torch.cuda.Stream(self._weights[0].device)
        self._graph: Any = None
        self._given: Sample = {}
        self._made: Passed | None = None
        self._gradients: list[Tensor | None] = []
        self._kind: Hashable = None
        self._alike, self._refused = 0, False

    def __call__(self, batch: Sample) -> Passed:
        """What `plain` would give. The numbers hold until the next call."""
        kind = kind_of(batch, self._objective.phase())
        if kind != self._kind:
            self._kind, self._alike = kind, 0
            self._graph, self._made, self._gradients = None, None, []  # before memory is needed
        self._alike += 1
        here = torch.cuda.current_stream()
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            passed = self._in_turn(batch)
        here.wait_stream(self._stream)
        return passed

    def _in_turn(self, batch: Sample) -> Passed:
        if self._graph is None and self._alike > AFTER and not self._refused:
            self._capture(batch)
        if self._graph is None or self._made is None:
            return self._plain(batch)
        for name, value in batch.items():
            self._given[name].copy_(value)
        self._graph.replay()
        for weight, gradient in zip(self._weights, self._gradients, strict=True):
            weight.grad = gradient
        return self._made

    def _capture(self, batch: Sample) -> None:
        self._given = {name: value.clone() for name, value in batch.items()}
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                loss, parts = self._plain(self._given)
        except RuntimeError as error:
            self._refused = True
            reason = str(error).splitlines()[0]
            warnings.warn(f"steps are launched one by one: {reason}", stacklevel=2)
            return
        self._made = loss.detach(), {name: value.detach() for name, value in parts.items()}
        self._gradients = [weight.grad for weight in self._weights]
        self._graph = graph
