"""Memory for time: blocks that keep their inputs alone and compute again on the way back.

(Chen et al. 2016, "Training deep nets with sublinear memory cost".) Values and gradients stay as
they are.
"""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from dawn.a2v.attention import Residual
from dawn.a2v.blocks import ResBlock
from dawn.a2v.config import A2VConfig

Recomputed = Literal["auto", "none", "attention", "all"]

FREE_SHARE = 0.6
"""Of a GPU's memory that what is kept for the way back may fill; the rest is for one block's
temporaries, weights, their moments and targets."""
KEPT_MIB = {"none": 64.0, "attention": 31.0, "all": 7.0}
"""What 128 pixels' network keeps of a frame, in float32, by what is computed again: measured by
`tests/dawn/training/test_recompute.py`, which also says that it is not more."""
_WIDTH, _LATENT = 64, 32
"""Of the network that these were measured of."""


def chosen(
    wanted: Recomputed, config: A2VConfig, frames: int, narrow: bool, memory: int | None
) -> Recomputed:
    """What to compute again. `auto`: as little as lets the step fit into `memory` bytes.

    `frames` are those of a part of a step, over all clips; without a limit nothing is.
    """
    if wanted != "auto":
        return wanted
    if memory is None:
        return "none"
    scale = config.unet.dim / _WIDTH * (config.latent_size / _LATENT) ** 2
    scale *= 0.7 if narrow else 1.0  # conditions are float32 in either
    for kept in ("none", "attention"):
        if KEPT_MIB[kept] * scale * frames * 2**20 <= FREE_SHARE * memory:
            return kept
    return "all"


def blocks(network: nn.Module, again: Recomputed) -> list[nn.Module]:
    """The U-Net's blocks that are computed again: attentions keep most, for what they cost."""
    kinds = {"attention": (Residual,), "all": (Residual, ResBlock)}.get(again, ())
    return [module for module in network.modules() if isinstance(module, kinds)]


@contextlib.contextmanager
def recomputed(modules: list[nn.Module]) -> Iterator[None]:
    """Inside, what runs forward through `modules` keeps only what they are given."""
    for module in modules:
        again = partial(checkpoint, module.forward, use_reentrant=False, preserve_rng_state=False)
        module.forward = again
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def memory_of(device: torch.device) -> int | None:
    """Bytes that a GPU has in all; a CPU's are not asked for."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
