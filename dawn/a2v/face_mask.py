"""Where the face is: a box drawn at picture size and encoded to the latent's (DAWN §3.3).

The official release neither trained nor saved this encoder: its sixteen channels are a random
projection. Ours is part of the model, trained and saved with it.
"""

import torch
from torch import Tensor, nn


class FaceMaskEncoder(nn.Module):
    """Two stride-2 convolutions with ReLU: (B, 1, S, S) to (B, channels, S / 4, S / 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, channels, 3, stride=2, padding=1)

    def forward(self, mask: Tensor) -> Tensor:
        """Encode box masks; see `face_box_mask`."""
        encoded: Tensor = self.conv2(self.conv1(mask).relu()).relu()
        return encoded


def face_box_mask(boxes: Tensor, frame_size: tuple[int, int], size: int) -> Tensor:
    """Binary masks (B, 1, size, size) of `boxes` (B, 4): x_min, x_max, y_min, y_max in pixels.

    `frame_size` is (height, width) of the picture that the boxes were measured in. A row or
    column belongs to the box from floor(min) to floor(max) + 1, both included, after scaling.
    (The official code divides x by the height and y by the width, which is the same on squares.)
    """
    height, width = frame_size
    x_min, x_max = (boxes[..., :2] * (size / width)).floor().unbind(-1)
    y_min, y_max = (boxes[..., 2:] * (size / height)).floor().unbind(-1)
    pixels = torch.arange(size, device=boxes.device)
    columns = (pixels >= x_min[:, None]) & (pixels <= x_max[:, None] + 1)
    rows = (pixels >= y_min[:, None]) & (pixels <= y_max[:, None] + 1)
    return (rows[:, None, :, None] & columns[:, None, None, :]).float()
