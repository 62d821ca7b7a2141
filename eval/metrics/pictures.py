"""PSNR, SSIM and MS-SSIM: the generated picture against the real one of the same moment.

They punish every motion that differs from the real take, however natural: read them for
reconstruction, not for free head motion.
"""

import functools
import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.torchvision_import import prepare_torchvision
from eval.clips import Clip, Pair
from eval.metrics.interface import Definition, Excluded, Measure, Reason, Value
from eval.metrics.networks import BATCH, to_tensor

MS_SSIM_LEAST = 161
"""Pixels that five scales of an 11-pixel window take."""

_ASPECT = 0.02


def same_shape(pair: Pair) -> bool:
    """Whether both pictures show the same part of the scene, as far as their shape tells."""
    one, other = pair.generated.info, pair.reference.info
    return abs(one.width / one.height - other.width / other.height) <= _ASPECT


def side_by_side(
    pair: Pair, length: int = BATCH
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Sampled frames of both videos, (n, size, size, 3) each."""
    return zip(pair.generated.sampled(length), pair.reference.sampled(length), strict=True)


def frame_mean(
    pair: Pair, measure: Callable[[Tensor, Tensor], Tensor], length: int = BATCH
) -> Value | Excluded:
    """Mean over sampled frames of a measure of (n, 3, H, W) pictures in [0, 1] that gives (n,)."""
    if not same_shape(pair):
        return Excluded(Reason.DIFFERENT_SHAPE)
    with torch.inference_mode():
        values = [
            measure(to_tensor(a), to_tensor(b)).double().numpy()
            for a, b in side_by_side(pair, length)
        ]
    if not values:
        return Excluded(Reason.TOO_SHORT)
    everything = np.concatenate(values)
    return Value(float(everything.mean()), n=len(everything))


def squared_error(clip: Clip, other: Clip) -> tuple[float, int]:
    """Sum of squared differences of the sampled frames, levels 0..255, and how many frames."""
    total, count = 0, 0
    for a, b in zip(clip.sampled(), other.sampled(), strict=True):
        difference = a.astype(np.int64) - b
        total += int((difference * difference).sum())
        count += len(a)
    return float(total), count


@functools.cache
def _library() -> Any:  # noqa: ANN401 - an untyped module
    """torchmetrics' picture measures, imported late (it takes seconds)."""
    prepare_torchvision()  # torchmetrics imports it where it is installed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("torchmetrics.functional.image")


def psnr(pair: Pair) -> Value | Excluded:
    """Of the whole clip's mean squared error."""
    if not same_shape(pair):
        return Excluded(Reason.DIFFERENT_SHAPE)
    error, frames = squared_error(pair.generated, pair.reference)
    if not frames:
        return Excluded(Reason.TOO_SHORT)
    if error == 0:
        return Excluded(Reason.IDENTICAL)
    size = pair.generated.settings.card.size
    mse = error / (frames * size * size * 3)
    return Value(float(10 * np.log10(255**2 / mse)), n=frames)


PSNR = Measure(
    definition=Definition(
        name="psnr",
        title="PSNR",
        direction="higher",
        unit="dB",
        range="0 and up",
        formula="10 log10(255² / MSE), MSE over all values of the clip's sampled frames",
        source="torchmetrics 1.9.0 on the whole clip agrees",
        status="paper",
        divergences="The mean of per-frame PSNR is larger; luma alone differs. Identical videos "
        "have none (excluded); some tools print 100.",
    ),
    of=psnr,
)


def ssim(pair: Pair) -> Value | Excluded:
    """Mean over sampled frames."""
    of = _library().structural_similarity_index_measure
    return frame_mean(pair, lambda a, b: of(a, b, data_range=1.0, reduction="none"))


SSIM = Measure(
    definition=Definition(
        name="ssim",
        title="SSIM",
        direction="higher",
        unit="",
        range="-1 to 1",
        formula="mean over sampled frames; Gaussian window 11, sigma 1.5, K 0.01 and 0.03, RGB",
        source="Wang et al. 2004; torchmetrics 1.9.0",
        status="paper",
        divergences="scikit-image's default is a flat 7x7 window; others leave out the border or "
        "take luma.",
    ),
    of=ssim,
)


def ms_ssim(pair: Pair) -> Value | Excluded:
    """Mean over sampled frames."""
    if pair.generated.settings.card.size < MS_SSIM_LEAST:
        return Excluded(Reason.TOO_SMALL)
    of = _library().multiscale_structural_similarity_index_measure
    return frame_mean(
        pair, lambda a, b: of(a, b, data_range=1.0, reduction="none", normalize="relu")
    )


MS_SSIM = Measure(
    definition=Definition(
        name="ms_ssim",
        title="MS-SSIM",
        direction="higher",
        unit="",
        range="0 to 1",
        formula="product over five scales with the paper's exponents, negative terms cut at 0; "
        f"mean over sampled frames; pictures of {MS_SSIM_LEAST} px or more",
        source="Wang et al. 2003; torchmetrics 1.9.0",
        status="paper",
        divergences="Some tools drop scales for small pictures; here they are excluded.",
    ),
    of=ms_ssim,
)
