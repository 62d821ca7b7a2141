"""Channels-last frames: (B, T, H, W, C) tensors, and what works on each frame alone.

Every spatial operation of the network ignores time, so frames are flattened into the batch and
2D convolutions do the work of the official kernels of shape (out, in, 1, k, k). With channels
last, pixels are rows: 1x1 convolutions, projections and norms need no transposition.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.a2v.kernels import fused
from dawn.device import free_memory

CACHED_ELEMENTS = 2**20
"""Elements that a sliced operation holds in its largest temporary on a CPU (4 MiB in float32)."""

FREE_SHARE = 8
"""On a GPU the largest temporary takes at most one part in so many of the free memory."""

EPSILON = 1e-5


class FrameConv(nn.Conv3d):
    """A convolution with kernel (1, k, k) that keeps the size, or halves it with stride 2."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        pad = (kernel - 1) // 2
        super().__init__(inputs, outputs, (1, kernel, kernel), (1, stride, stride), (0, pad, pad))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, inputs) to (B, T, H / stride, W / stride, outputs)."""
        return self.partial(x, slice(None), self.bias)

    def partial(self, x: Tensor, channels: slice, bias: Tensor | None) -> Tensor:
        """The share of the output that these input channels contribute; `x` holds just them."""
        weight = self.weight[:, channels, 0]
        if self.kernel_size[1] == 1:
            return F.linear(x, weight.flatten(1), bias)
        images = x.flatten(0, 1).permute(0, 3, 1, 2)
        out = F.conv2d(images, weight, bias, self.stride[1:], self.padding[1:])
        return frames_of(out, x)


class FrameUpsample(nn.ConvTranspose3d):
    """Doubles height and width by a transposed convolution with kernel (1, 4, 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, (1, 4, 4), (1, 2, 2), (0, 1, 1))

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(B, T, H, W, C) to (B, T, 2H, 2W, C)."""
        images = x.flatten(0, 1).permute(0, 3, 1, 2)
        out = F.conv_transpose2d(images, self.weight[:, :, 0], self.bias, stride=2, padding=1)
        return frames_of(out, x)


def frames_of(images: Tensor, like: Tensor) -> Tensor:
    """(B * T, C, H, W) to contiguous (B, T, H, W, C), with the B and T of `like`."""
    return images.permute(0, 2, 3, 1).contiguous().view(*like.shape[:2], *images.shape[2:], -1)


class ClipGroupNorm(nn.GroupNorm):
    """Group normalisation whose statistics span a clip: all frames, rows and columns.

    `scale_shift` (B, 2 * C), where it is given, modulates what comes out: times scale + 1, plus
    shift.
    """

    def forward(self, x: Tensor, scale_shift: Tensor | None = None) -> Tensor:
        """(B, T, H, W, C), same shape."""
        by = self.by_kernel if x.device.type == "cpu" else self.by_reductions
        return by(x, scale_shift)

    def by_kernel(self, x: Tensor, scale_shift: Tensor | None) -> Tensor:
        """With PyTorch's own kernel, of which a GPU gives a clip's group to one processor."""
        image = x.flatten(1, 2).permute(0, 3, 1, 2)  # one tall picture: the kernel's own layout
        out = F.group_norm(image, self.num_groups, self.weight, self.bias, self.eps)
        out = out.permute(0, 2, 3, 1).contiguous().view_as(x)
        if scale_shift is None:
            return out
        scale, shift = scale_shift[:, None, None, None].chunk(2, dim=-1)
        return out.mul_(scale + 1).add_(shift) if in_place() else out * (scale + 1) + shift

    def by_reductions(self, x: Tensor, scale_shift: Tensor | None) -> Tensor:
        """With a reduction, in which all of a GPU takes part, and one pass over `x`."""
        groups = x.view(len(x), -1, self.num_groups, x.shape[-1] // self.num_groups)
        variance, mean = torch.var_mean(groups, (1, 3), correction=0, keepdim=True)
        factor = (variance + self.eps).rsqrt() * self.weight.view(self.num_groups, -1)
        added = torch.addcmul(self.bias.view(self.num_groups, -1), mean, factor, value=-1)
        if scale_shift is not None:
            scale, shift = scale_shift.view(len(x), 2, 1, *factor.shape[2:]).unbind(1)
            factor = factor * (scale + 1)
            added = torch.addcmul(shift, added, scale + 1)
        return torch.addcmul(added.to(x.dtype), groups, factor.to(x.dtype)).view_as(x)

    def affine_of(self, x: Tensor, bias: Tensor | None, scale_shift: Tensor | None) -> Tensor:
        """For fused kernels: the factor and what is added, (B, 2, C), for `x` without `bias`.

        `scale_shift` (B, 2 * C) follows the norm.
        """
        affine: Tensor = fused(x).group_affine_of(
            x, self.num_groups, self.weight, self.bias, self.eps, bias, scale_shift
        )
        return affine


def in_place() -> bool:
    """Whether a block's own intermediate results may be overwritten: no gradient needs them."""
    return not torch.is_grad_enabled()


class ChannelNorm(nn.Module):
    """Layer norm over channels with a gain and no bias; `gamma` is (1, C, 1, 1, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C), same shape."""
        if kernels := fused(x):
            normed: Tensor = kernels.channel_norm(x, self.gamma, EPSILON)
            return normed
        return F.layer_norm(x, x.shape[-1:], self.gamma.flatten(), eps=EPSILON)


def slice_elements(free: int | None, element_bytes: int) -> int:
    """How many elements a sliced operation may hold in its largest temporary, `free` being a GPU's
    free bytes; None: a CPU.
    """
    if free is None:
        return CACHED_ELEMENTS
    return max(CACHED_ELEMENTS, free // (FREE_SHARE * element_bytes))


def chunked(function: Callable[..., Tensor], dim: int, width: int, *tensors: Tensor) -> Tensor:
    """`function` of `tensors`, in slices along `dim` that bound its temporaries.

    `width` is how many elements of the largest temporary one index along `dim` costs: on a CPU
    slices stay in its cache, elsewhere they fill the free memory at most; see `slice_elements`.
    The result keeps `dim`. While gradients are recorded everything is kept anyway, so nothing is
    sliced.
    """
    x = tensors[0]
    if torch.is_grad_enabled() or x.is_meta:
        return function(*tensors)
    length = x.shape[dim]
    step = max(1, slice_elements(free_memory(x.device), x.element_size()) // width)
    if step >= length:
        return function(*tensors)
    parts = zip(*(tensor.split(step, dim) for tensor in tensors), strict=True)
    part = function(*next(parts))
    out = part.new_empty([*part.shape[:dim], length, *part.shape[dim + 1 :]])
    start = 0
    for rest in parts:
        out.narrow(dim, start, step).copy_(part)
        start += step
        part = function(*rest)
    out.narrow(dim, start, length - start).copy_(part)
    return out
