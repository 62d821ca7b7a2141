"""Random numbers that belong to a frame, not to the moment at which they are drawn.

Each number is a function of the seed, the draw, the frame and its place in the frame: the
counter-based generator Philox4x32-10 (Salmon et al. 2011) has no state. So noise depends neither
on how frames are cut into stretches or batches nor on the device, which draws it where it is
needed. The stream `blocks` is what videos were made from before: it is drawn on the CPU.
"""

import hashlib
import math
from typing import Literal

import torch
from torch import Tensor

Stream = Literal["philox", "blocks"]
Kind = Literal["start", "step", "pbnet"]
_KINDS: tuple[Kind, ...] = ("start", "step", "pbnet")

BLOCK = 20
"""Frames of one block of the stream `blocks`."""

WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def item_seed(seed: int, item: str) -> int:
    """The seed of one item of a run: 63 bits that depend on the run's seed and the item's name."""
    digest = hashlib.sha256(f"{seed}:{item}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def frame_noise(
    seed: int,
    kind: Kind,
    numbers: range,
    frames: range,
    shape: tuple[int, ...],
    *,
    device: torch.device | str = "cpu",
    stream: Stream = "philox",
) -> Tensor:
    """Standard normal noise (numbers, frames, *shape), float32, of consecutive `frames`.

    `kind` and the numbers tell the draws of a video apart, such as one for each step. The CPU and
    a GPU draw the same numbers, but for roundings in the last digit.
    """
    if stream == "blocks":
        draws = [_drawn_in_blocks(seed, kind, number, frames, shape) for number in numbers]
        return torch.stack(draws).to(device)
    count = math.prod(shape)
    axes = (-(-count // 4), len(frames), len(numbers))
    places, frame, number = (torch.arange(length, device=device) for length in axes)
    words = philox(
        (
            places.expand(axes[::-1]),
            (frame + frames.start)[:, None].expand(axes[::-1]),
            (number + numbers.start)[:, None, None],
            torch.full((1, 1, 1), _KINDS.index(kind), device=device),
        ),
        (seed & WORD, seed >> 32 & WORD),
    )
    return normal(words).flatten(2)[..., :count].reshape(*axes[:0:-1], *shape)


def philox(counter: tuple[Tensor, ...], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Philox4x32-10: four random words for each counter of four words, int64 below 2^32 each."""
    a, b, c, d = counter
    for number in range(_ROUNDS):
        first, second = (k + number * step & WORD for k, step in zip(key, _WEYL, strict=True))
        # products of 64 bits; where they wrap around, the bits are still those of the product
        low, high = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b = (high >> 32 & WORD) ^ b ^ first, high & WORD
        c, d = (low >> 32 & WORD) ^ d ^ second, low & WORD
    return a, b, c, d


def normal(words: tuple[Tensor, ...]) -> Tensor:
    """Four standard normal numbers (…, 4), float32, from four random words (…) (Box, Muller 1958).

    In float64, so that devices agree after rounding.
    """
    a, b, c, d = (word.double() / 2**32 for word in words)
    pairs = []
    for size, angle in ((a, b), (c, d)):
        radius = (-2 * (size + 2**-33).log()).sqrt()
        pairs += [radius * (2 * math.pi * angle).cos(), radius * (2 * math.pi * angle).sin()]
    return torch.stack(pairs, dim=-1).float()


def _drawn_in_blocks(
    seed: int, kind: Kind, number: int, frames: range, shape: tuple[int, ...]
) -> Tensor:
    """Blocks of frames from PyTorch's generator on the CPU, each from its own seed."""
    start, stop = frames.start, frames.stop
    draw = kind if kind == "start" else f"{kind} {number}"
    first, last = start // BLOCK, (stop - 1) // BLOCK
    blocks = []
    for block in range(first, last + 1):
        generator = torch.Generator().manual_seed(item_seed(seed, f"{draw}:{block}"))
        blocks.append(torch.randn(BLOCK, *shape, generator=generator))
    return torch.cat(blocks)[start - first * BLOCK : stop - first * BLOCK]
