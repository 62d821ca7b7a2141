"""Fused Triton kernels of the denoising network, for sampling on a GPU.

Each equals a plain PyTorch formula of the modules beside this package, which is what runs on
the CPU, in training, and where there is no Triton. PyTorch's own wheels for CUDA bring Triton.
What they save is memory traffic and launches: at 200 frames a layer's widest tensor is 300 MB.
"""

import contextlib
import functools
import importlib
import importlib.util
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

_allowed = ContextVar("allowed", default=True)

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def fused(x: Tensor) -> Any:  # noqa: ANN401 - the modules cannot be imported everywhere
    """The kernels for `x`, or None where the plain formulas are to run.

    They keep nothing for a backward pass, so only what records no gradient uses them.
    """
    if not _allowed.get() or torch.is_grad_enabled() or x.dtype not in DTYPES:
        return None
    return _kernels() if _on_gpu(x) else None


@contextlib.contextmanager
def without_kernels() -> Iterator[None]:
    """Run the plain formulas everywhere, to compare."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def _on_gpu(x: Tensor) -> bool:
    return x.is_cuda


@functools.cache
def _kernels() -> Any:  # noqa: ANN401
    if importlib.util.find_spec("triton") is None:
        return None
    return importlib.import_module("dawn.a2v.kernels.launch")
