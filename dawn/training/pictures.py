"""Making pictures of tensors: for TensorBoard and the report."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Picture = NDArray[np.uint8]

_CELL = 96


@dataclass(frozen=True, slots=True)
class Labels:
    """What stands in the columns and rows of a contact sheet."""

    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


def to_image(tensor: Tensor) -> Picture:
    """(3, H, W) in 0 … 1 as RGB (H, W, 3)."""
    scaled = (tensor.clamp(0, 1) * 255).round().to(torch.uint8)
    return scaled.permute(1, 2, 0).cpu().numpy()


def flow_colours(flow: NDArray[np.float32]) -> Picture:
    """Displacements (h, w, 2) as colours: hue is direction, saturation length."""
    length, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1])
    longest = max(float(length.max()), 1e-6)
    hsv = np.stack([angle / np.pi * 90, length / longest * 255, np.full_like(length, 255)], -1)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.uint8, copy=False)


def cell(image: Picture) -> Picture:
    """A picture in the size of a contact sheet's cell."""
    resized = cv2.resize(image, (_CELL, _CELL), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.uint8)


def png(image: Picture) -> bytes:
    """The picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    return buffer.getvalue()
