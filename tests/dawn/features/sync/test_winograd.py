import pytest
import torch
from torch.nn import functional

from dawn.features.sync.winograd import Convolution, HalvingConvolution, toom_cook

TOLERANCE = 3e-5
"""Of the largest value: float32 rounds to 6e-8, and the matrices of tiles of 6 enlarge that about
two hundred times. A wrong coefficient is an error of about 1."""


@pytest.mark.parametrize(("outputs", "taps"), [(4, 3), (5, 3), (6, 3), (8, 5)])
def test_toom_cook_is_the_sliding_product(outputs: int, taps: int) -> None:
    kernel, before, after = toom_cook(outputs, taps)
    assert len(kernel) == outputs + taps - 1
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(taps, generator=generator, dtype=torch.float64)
    x = torch.randn(outputs + taps - 1, generator=generator, dtype=torch.float64)
    expected = torch.stack([(w * x[i : i + taps]).sum() for i in range(outputs)])
    torch.testing.assert_close(after @ ((kernel @ w) * (before @ x)), expected)


def layer(inputs: int, outputs: int, taps: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(outputs, inputs, taps, taps), 10 * torch.randn(outputs)


def difference(ours: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest error, as a part of the largest value."""
    ours = ours.permute(2, 3, 0, 1)
    assert ours.shape == expected.shape
    return float((ours - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("tile", [(4, 4), (5, 5), (6, 5), (4, 6)])
@pytest.mark.parametrize(
    ("size", "images"), [((13, 13), 3), ((11, 9), 1), ((8, 12), 2), ((1, 2), 1), ((13, 20), 2)]
)
def test_convolution_is_pytorch_s(
    size: tuple[int, int], images: int, tile: tuple[int, int]
) -> None:
    weight, bias = layer(24, 17, 3)
    maps = torch.randn(images, 24, *size)
    expected = functional.conv2d(maps.double(), weight.double(), bias.double(), padding=1)
    ours = Convolution(weight, bias, tile)(maps.permute(2, 3, 0, 1).contiguous())
    assert difference(ours, expected) < TOLERANCE


def test_without_padding_the_map_gets_smaller() -> None:
    weight, bias = layer(3, 5, 3)
    maps = torch.randn(2, 3, 9, 10)
    expected = functional.conv2d(maps.double(), weight.double(), bias.double())
    ours = Convolution(weight, bias, (4, 4), padding=0)(maps.permute(2, 3, 0, 1).contiguous())
    assert difference(ours, expected) < TOLERANCE


@pytest.mark.parametrize(("size", "images"), [((54, 54), 2), ((9, 12), 1), ((10, 7), 3)])
@pytest.mark.parametrize("tile", [(4, 4), (5, 6)])
def test_halving_convolution_is_pytorch_s(
    size: tuple[int, int], images: int, tile: tuple[int, int]
) -> None:
    weight, bias = layer(6, 17, 5)
    maps = torch.randn(images, 6, *size)
    expected = functional.conv2d(maps.double(), weight.double(), bias.double(), stride=2, padding=1)
    ours = HalvingConvolution(weight, bias, tile)(maps.permute(0, 2, 3, 1).contiguous())
    assert difference(ours, expected) < TOLERANCE


def test_a_kernel_of_zeros_leaves_the_bias() -> None:
    _, bias = layer(4, 7, 3)
    ours = Convolution(torch.zeros(7, 4, 3, 3), bias, (4, 5))(torch.randn(6, 6, 2, 4))
    torch.testing.assert_close(ours, bias.expand(6, 6, 2, 7))


def test_products_by_zero_are_not_made() -> None:
    """Of 4 x 36 kernels of phases, those of 2 taps lack the points at infinity: 12 a side."""
    weight, bias = layer(2, 3, 5)
    kernels = HalvingConvolution(weight, bias, (4, 4))._convolution._kernels
    rows = [len(kernel) / 2 for row in kernels for kernel, _ in row]
    assert sum(rows) == 25 * 4 + 5 * 2 + 5 * 2 + 1
