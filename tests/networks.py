"""Random weights of the real networks, in the files that the real ones would be in."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from dawn.torchvision_import import prepare_torchvision
from dawn.weights_registry import REGISTRY


def inception_state(seed: int = 0) -> dict[str, Tensor]:
    """As in pytorch-fid's file, with lively activations throughout."""
    prepare_torchvision()
    from pytorch_fid import inception

    torch.manual_seed(seed)
    net = inception._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    # The patched blocks have torchvision's parameters: the state is the same.
    return lively(net)


def lively(net: nn.Module) -> dict[str, Tensor]:
    """Draw every parameter so that signals neither die nor explode; returns the state."""
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.8, 1.2)
            nn.init.normal_(part.bias, 0, 0.1)
    return net.state_dict()


class TinyI3d(nn.Module):
    """StyleGAN-V's call on a small 3-D network: scales, resizes, and gives 400 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 8, (3, 7, 7), (2, 8, 8))
        self.logits = nn.Linear(8, 400)

    def forward(
        self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> Tensor:
        if rescale:
            x = x / 127.5 - 1
        if resize:
            n, c, t, h, w = x.shape
            frames = x.permute(0, 2, 1, 3, 4).reshape(n * t, c, h, w)
            frames = nn.functional.interpolate(
                frames, size=[112, 112], mode="bilinear", align_corners=False
            )
            x = frames.reshape(n, t, c, 112, 112).permute(0, 2, 1, 3, 4)
        x = self.logits(torch.relu(self.first(x)).mean([2, 3, 4]))
        return x if return_features else torch.softmax(x, 1)


def write_i3d(folder: Path) -> Path:
    torch.manual_seed(1)
    path = folder / REGISTRY["i3d_k400"].file_names[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(TinyI3d().eval()).save(str(path))
    return path


def write_squeezenet(folder: Path) -> Path:
    prepare_torchvision()
    from torchvision import models

    torch.manual_seed(2)
    path = folder / REGISTRY["squeezenet"].file_names[0]
    torch.save(lively(models.squeezenet1_1(weights=None)), path)
    return path
