"""Colour jitter: one draw for all pictures of a sample, so that they stay one scene."""

import numpy as np
from torch import Tensor

from dawn.torchvision_import import prepare_torchvision


def jittered(images: Tensor, strength: float, draw: np.random.Generator) -> Tensor:
    """Images (N, 3, H, W) in 0 … 1 with brightness, contrast and saturation scaled by up to
    1 ± `strength`, and the hue turned by up to `strength` / 6 (0.04 for the code's 0.25).
    """
    factors = draw.uniform(-1, 1, 4)
    if strength == 0:
        return images
    prepare_torchvision()
    from torchvision.transforms import functional

    brightness, contrast, saturation, hue = (float(factor) for factor in factors)
    images = functional.adjust_brightness(images, 1 + strength * brightness)
    images = functional.adjust_contrast(images, 1 + strength * contrast)
    images = functional.adjust_saturation(images, 1 + strength * saturation)
    return functional.adjust_hue(images, hue * strength / 6)
