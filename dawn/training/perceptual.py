"""How alike two pictures look: VGG19's features, or without its weights a plain pyramid."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.weights import load_state

Perceptual = Callable[[Tensor, Tensor], Tensor]

# torchvision's numbering of vgg19.features; relu1_1 … relu5_1 end the slices.
_SLICES = (2, 7, 12, 21, 30)
_WIDTHS = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", *(512,) * 4, "M", *(512,) * 4)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG19(nn.Module):
    """L1 of five of VGG19's layers (Johnson 2016 as in MRAA); weights frozen."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in _WIDTHS:
            if isinstance(width, int):
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[: _SLICES[-1]])
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    @classmethod
    def from_file(cls, path: Path) -> "VGG19":
        """The network with torchvision's weights file. Raises InputError when it does not fit."""
        network = cls()
        state = load_state(path)
        own = {key: value for key, value in state.items() if key in network.state_dict()}
        network.load_state_dict(own, strict=True)
        return network.eval()

    def layers(self, image: Tensor) -> list[Tensor]:
        """relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 of images (B, 3, H, W) in 0 … 1."""
        x = (image - self.mean) / self.std
        found = []
        for number, layer in enumerate(self.features, start=1):
            x = layer(x)
            if number in _SLICES:
                found.append(x)
        return found

    def forward(self, image: Tensor, truth: Tensor) -> Tensor:
        """Summed mean absolute differences of the layers."""
        if image.shape[-1] < 16:  # too small for the four poolings
            return F.l1_loss(image, truth)
        pairs = zip(self.layers(image), self.layers(truth), strict=True)
        return torch.stack([F.l1_loss(x, y.detach()) for x, y in pairs]).sum()


class Pyramid(nn.Module):
    """L1 of colours and of their gradients: the declared substitute for VGG19."""

    def forward(self, image: Tensor, truth: Tensor) -> Tensor:
        """Mean absolute difference of (B, 3, H, W), plus those of horizontal and vertical steps."""
        loss = F.l1_loss(image, truth)
        for axis in (-1, -2):
            loss = loss + F.l1_loss(image.diff(dim=axis), truth.diff(dim=axis))
        return loss
