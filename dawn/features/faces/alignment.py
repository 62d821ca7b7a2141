"""The similarity transform that brings one set of points nearest to another (Umeyama 1991)."""

import numpy as np
from numpy.typing import NDArray


def similarity(
    source: NDArray[np.float64], target: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Scale, rotation (D, D) and shift (D,) with `target ~ scale * rotation @ source + shift`.

    Weighted least squares in closed form; points are (N, D), weights (N,). Never a mirror image.
    Of many targets, (..., N, D), all three begin with the same axes.
    """
    weights = weights / weights.sum()
    source_mean, target_mean = weights @ source, weights @ target
    a, b = source - source_mean, target - target_mean[..., None, :]
    u, singular, vt = np.linalg.svd(np.swapaxes(b * weights[:, None], -1, -2) @ a)
    signs = np.ones(singular.shape)
    signs[..., -1] = np.sign(np.linalg.det(u @ vt))
    rotation = u * signs[..., None, :] @ vt
    scale = np.asarray((singular * signs).sum(axis=-1) / (weights @ (a**2).sum(axis=1)))
    return scale, rotation, target_mean - scale[..., None, None] * rotation @ source_mean
