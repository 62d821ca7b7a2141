"""Principal axes against LAPACK's, and regions of known heatmaps."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.lfg.config import LFG_TINY
from dawn.lfg.regions import (
    LEAST_VARIANCE,
    BackgroundMotion,
    RegionPredictor,
    principal_axes,
    widened,
)


def lapack_axes(covar):
    u, s, _ = torch.linalg.svd(covar)
    return u @ s.sqrt().diag_embed()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_axes_equal_lapacks_up_to_a_common_sign(seed):
    generator = torch.Generator().manual_seed(seed)
    roots = torch.randn(50, 2, 2, generator=generator, dtype=torch.float64)
    covar = roots @ roots.mT
    ours, theirs = principal_axes(covar), lapack_axes(covar)
    assert torch.allclose(ours @ ours.mT, covar, atol=1e-9)
    # what flow uses: one image's axes times another's inverse, up to sign
    ours, theirs = (a[:25] @ torch.linalg.inv(a[25:]) for a in (ours, theirs))
    sign = (ours * theirs).sum((-1, -2), keepdim=True).sign()
    scale = theirs.abs().amax((-1, -2), keepdim=True)
    assert ((ours - sign * theirs).abs() / scale).max() < 1e-6


def test_round_regions_have_axes_and_finite_gradients():
    covar = torch.eye(2, dtype=torch.float64).mul(0.25).requires_grad_()
    axes = principal_axes(covar)
    assert torch.allclose(axes @ axes.mT, covar)
    axes.sum().backward()
    assert covar.grad.isfinite().all()


def test_flat_regions_get_an_inverse_and_others_stay():
    line = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    covar = torch.stack(
        (torch.zeros(2, 2), line, torch.diag(torch.tensor([0.0, 0.1])), 0.01 * torch.eye(2))
    )
    covar.requires_grad_()
    wide = widened(covar)
    assert torch.equal(wide[3], covar[3])
    assert (torch.linalg.eigvalsh(wide) > 0.9 * LEAST_VARIANCE).all()
    torch.linalg.inv(principal_axes(wide)).square().sum().backward()
    assert covar.grad.isfinite().all()


def test_a_heatmap_of_one_pixel_trains():
    """Training has come to such heatmaps, and inverses of their covariance failed."""
    predictor = RegionPredictor(LFG_TINY)
    predictor.temperature = 1e-9
    regions = predictor(torch.rand(2, 3, 64, 64))
    assert (regions.heatmap.amax((2, 3)) == 1).all()
    (torch.linalg.inv(regions.affine).sum() + torch.linalg.inv(regions.covar).sum()).backward()
    gradients = [weight.grad for weight in predictor.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_regions_are_the_moments_of_their_heatmaps():
    torch.manual_seed(0)
    with torch.no_grad():
        regions = RegionPredictor(LFG_TINY).eval()(torch.rand(2, 3, 64, 64))
    assert torch.allclose(regions.heatmap.sum((2, 3)), torch.ones(2, 5))
    axis = torch.linspace(-1, 1, 16)
    x, y = regions.heatmap.sum(2), regions.heatmap.sum(3)
    assert torch.allclose(regions.shift, torch.stack((x @ axis, y @ axis), -1), atol=1e-5)
    spread = (x * (axis - regions.shift[..., :1]) ** 2).sum(-1)
    assert torch.allclose(regions.covar[..., 0, 0], spread, atol=1e-5)


def test_background_starts_still():
    motion = BackgroundMotion(LFG_TINY)(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    assert torch.equal(motion, torch.eye(3).expand(2, 3, 3))
