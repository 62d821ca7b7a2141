"""Random numbers that belong to a frame, not to the moment at which they are drawn.

Noise is drawn in blocks of frames, each from its own seed, on the CPU. So it does not depend on
how the frames are cut into stretches, on the device, or on what was drawn before.
"""

import hashlib

import torch
from torch import Tensor

BLOCK = 20
"""Frames of one block."""


def item_seed(seed: int, item: str) -> int:
    """The seed of one item of a run: 63 bits that depend on the run's seed and the item's name."""
    digest = hashlib.sha256(f"{seed}:{item}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def frame_noise(seed: int, draw: str, start: int, stop: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise (stop - start, *shape), float32 on the CPU, of frames [start, stop).

    `draw` tells the draws of a video apart, such as one for each step.
    """
    first, last = start // BLOCK, (stop - 1) // BLOCK
    blocks = []
    for block in range(first, last + 1):
        generator = torch.Generator().manual_seed(item_seed(seed, f"{draw}:{block}"))
        blocks.append(torch.randn(BLOCK, *shape, generator=generator))
    return torch.cat(blocks)[start - first * BLOCK : stop - first * BLOCK]
