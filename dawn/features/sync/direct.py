"""SyncNet's two networks as they were published, for GPUs, whose libraries convolve quickly. On a
CPU `dawn.features.sync.towers` gives the same numbers with fewer products.
"""

import torch
from torch import Tensor, nn

from dawn.features.sync.towers import FRAMES, folded


class DirectPicture(nn.Module):
    """BGR crops to features of windows of 5 frames."""

    def __init__(self, convolutions: nn.Sequential, linear: nn.Sequential) -> None:
        """`convolutions` and `linear`: `netcnnlip` and `netfclip` of the `syncnet-python` network,
        in evaluation.
        """
        super().__init__()
        self.convolutions = nn.Sequential(*folded(convolutions)).eval()
        self.linear = nn.Sequential(*folded(linear)).eval()

    def forward(self, frames: Tensor) -> Tensor:
        """(N + 4, 224, 224, 3) uint8 to (N, D)."""
        windows = frames.float().unfold(0, FRAMES, 1).permute(0, 3, 4, 1, 2)
        return torch.as_tensor(self.linear(self.convolutions(windows).flatten(1)))


class DirectSound(nn.Module):
    """Cepstra of windows of 0.2 s to their features."""

    def __init__(self, convolutions: nn.Sequential, linear: nn.Sequential) -> None:
        """`convolutions` and `linear`: `netcnnaud` and `netfcaud`, as for `DirectPicture`."""
        super().__init__()
        self.convolutions = nn.Sequential(*folded(convolutions)).eval()
        self.linear = nn.Sequential(*folded(linear)).eval()

    def forward(self, cepstra: Tensor) -> Tensor:
        """(N, 1, 13, 20) to (N, D)."""
        return torch.as_tensor(self.linear(self.convolutions(cepstra).flatten(1)))
