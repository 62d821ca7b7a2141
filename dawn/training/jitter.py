"""Colour jitter: one draw for all pictures of a sample, so that they stay one scene.

The draw is the loader's; colours are changed where the training computes, a batch at once. Values
are those of torchvision's `adjust_brightness`, `_contrast`, `_saturation` and `_hue`, which know
one factor for all pictures only.
"""

import numpy as np
import torch
from torch import Tensor


def draw_jitter(strength: float, draw: np.random.Generator) -> Tensor:
    """Factors (4,) float64 of brightness, contrast and saturation, up to 1 ± `strength`, and the
    share of a turn of the hue, up to `strength` / 6 (0.04 for the code's 0.25).
    """
    factors = draw.uniform(-1, 1, 4) * strength
    return torch.from_numpy(np.append(1 + factors[:3], factors[3] / 6))


def unpacked(images: Tensor) -> Tensor:
    """Pictures (..., H, W, 3) of bytes as (..., 3, H, W) in 0 … 1."""
    return images.movedim(-1, -3).contiguous().float() / 255


def laid_out(images: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) in the memory layout that convolutions like where they are."""
    last = images.device.type == "cuda"
    return images.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def jittered(images: Tensor, factors: Tensor) -> Tensor:
    """Images (B, N, 3, H, W) in 0 … 1, those of each sample changed by its `factors` (B, 4)."""
    brightness, contrast, saturation, hue = factors.view(-1, 4, 1, 1, 1, 1).unbind(1)
    images = (brightness.to(images.dtype) * images).clamp(0, 1)
    mean = grey(images).mean((-3, -2, -1), keepdim=True)
    images = blended(images, mean, contrast)
    images = blended(images, grey(images), saturation)
    return hue_turned(images, hue.to(images.dtype).squeeze(2))


def blended(images: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """`share` of `images` and the rest of `other`, within 0 … 1."""
    dtype = images.dtype
    return (share.to(dtype) * images + (1 - share).to(dtype) * other).clamp(0, 1)


def grey(images: Tensor) -> Tensor:
    """Luma (..., 1, H, W) of (..., 3, H, W)."""
    red, green, blue = images.unbind(-3)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).unsqueeze(-3)


def hue_turned(images: Tensor, turn: Tensor) -> Tensor:
    """Images (..., 3, H, W) with their hue further by `turn` (..., 1, 1) of a circle."""
    red, green, blue = images.unbind(-3)
    high, low = images.amax(-3), images.amin(-3)
    plain = high == low
    chroma = high - low
    saturation = chroma / torch.where(plain, 1.0, high)
    unit = torch.where(plain, 1.0, chroma)
    r, g, b = (high - red) / unit, (high - green) / unit, (high - blue) / unit
    hue = torch.where(high == red, b - g, torch.where(high == green, 2.0 + r - b, 4.0 + g - r))
    hue = (hue / 6.0 + 1.0).fmod(1.0)
    return painted((hue + turn) % 1.0, saturation, high)


def painted(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Hue, saturation and value (..., H, W) as RGB (..., 3, H, W)."""
    sector = torch.floor(hue * 6.0)
    rest = hue * 6.0 - sector
    sector = sector.to(torch.int32) % 6
    p = (value * (1.0 - saturation)).clamp(0, 1)
    q = (value * (1.0 - saturation * rest)).clamp(0, 1)
    t = (value * (1.0 - saturation * (1.0 - rest))).clamp(0, 1)
    channels = ((value, q, p, p, t, value), (t, value, value, q, p, p), (p, p, t, value, value, q))
    return torch.stack([chosen(sector, six) for six in channels], dim=-3)


def chosen(sector: Tensor, six: tuple[Tensor, ...]) -> Tensor:
    """Of six tensors the one that `sector` (...) names at each place."""
    found = six[5]
    for number in range(5):
        found = torch.where(sector == number, six[number], found)
    return found
