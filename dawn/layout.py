"""How weights lie in memory."""

import torch
from torch import nn


def channels_last(network: nn.Module) -> None:
    """Let the channels of convolutions' weights lie side by side, where values lie alike.

    Otherwise a GPU turns weights or values around every time they meet.
    """
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for weight in network.parameters():
        if weight.ndim in formats:
            weight.data = weight.data.contiguous(memory_format=formats[weight.ndim])
