"""Batch norm whose statistics span all workers, on any device."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """`BatchNorm2d` over the batches of all workers together, as if they were one.

    PyTorch's own SyncBatchNorm needs CUDA; this one sums with a differentiable all-reduce.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), same shape."""
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(x)
        count = x.numel() / x.shape[1] * dist.get_world_size()
        given, x = x.dtype, x.to(self.weight.dtype)
        mean = all_reduce(x.sum((0, 2, 3))) / count
        centred = x - mean.view(1, -1, 1, 1)
        variance = all_reduce(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            momentum = self.momentum or 0.1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = torch.rsqrt(variance + self.eps)
        normed = centred * scale.view(1, -1, 1, 1) * self.weight.view(1, -1, 1, 1)
        return (normed + self.bias.view(1, -1, 1, 1)).to(given)


def synced(module: nn.Module) -> nn.Module:
    """Turn the batch norms of `module` into synced ones, in place; names and weights stay."""
    for child in module.modules():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = SyncedBatchNorm2d
    return module
