"""PSNR, SSIM and MS-SSIM: the generated picture against the real one of the same moment.

They punish every motion that differs from the real take, however natural: read them for
reconstruction, not for free head motion. torchmetrics gives the same numbers; it is not used
because importing it takes each worker seconds.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.metrics.batches import BATCH
from eval.metrics.interface import Definition, Excluded, Measure, Reason, Value
from eval.metrics.steps import SAMPLED
from eval.protocol.clips import Clip, Pair

Picture = NDArray[np.uint8]
Pictures = NDArray[np.uint8]
F64 = NDArray[np.float64]

MS_SSIM_LEAST = 176
"""Pixels that five scales of an 11-pixel window take."""

_REACH = 5
_OFFSETS = np.arange(-_REACH, _REACH + 1)
_GAUSSIAN = np.exp(-((_OFFSETS / 1.5) ** 2) / 2)
_GAUSSIAN /= _GAUSSIAN.sum()
_C1, _C2 = 0.01**2, 0.03**2
_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

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
    pair: Pair, measure: Callable[[Pictures, Pictures], F64], length: int = BATCH
) -> Value | Excluded:
    """Mean over sampled frames of a measure of pictures (n, size, size, 3) that gives (n,); it
    gets up to `length` at once.
    """
    if not same_shape(pair):
        return Excluded(Reason.DIFFERENT_SHAPE)
    values = [measure(a, b) for a, b in side_by_side(pair, length)]
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
        family="Pictures",
        title="PSNR",
        direction="higher",
        unit="dB",
        range="0 and up",
        formula="10 log10(255² / MSE), MSE over all values of the clip's sampled frames",
        source="torchmetrics 1.9.0 on the whole clip agrees",
        status="paper",
        divergences="The mean of per-frame PSNR is larger; luma alone differs. Identical videos "
        "have none (reason `identical`) and count as better than any number where systems are "
        "compared; some tools print 100.",
    ),
    of=psnr,
    steps=(SAMPLED,),
)


def ssim(first: Picture, second: Picture) -> float:
    """SSIM of two RGB pictures of levels 0..255, all of them, border included by reflection."""
    similarity, _ = _similarity(first / 255, second / 255)
    return float(similarity.mean())


def ms_ssim(first: Picture, second: Picture) -> float:
    """MS-SSIM of two RGB pictures of levels 0..255 and at least MS_SSIM_LEAST pixels."""
    a, b, product = first / 255, second / 255, 1.0
    for scale, exponent in enumerate(_EXPONENTS):
        similarity, contrast = _similarity(a, b)
        inside = contrast[_REACH:-_REACH, _REACH:-_REACH]
        last = scale == len(_EXPONENTS) - 1
        product *= max(0.0, float((similarity if last else inside).mean())) ** exponent
        a, b = _halved(a), _halved(b)
    return product


def _similarity(a: F64, b: F64) -> tuple[F64, F64]:
    """SSIM and its contrast term at every pixel and channel of pictures in [0, 1]."""
    mean_a, mean_b = _local_mean(a), _local_mean(b)
    squares, product = mean_a**2 + mean_b**2, mean_a * mean_b
    spread = np.maximum(_local_mean(a * a) - mean_a**2, 0)
    spread += np.maximum(_local_mean(b * b) - mean_b**2, 0)
    contrast: F64 = (2 * (_local_mean(a * b) - product) + _C2) / (spread + _C2)
    light: F64 = (2 * product + _C1) / (squares + _C1)
    return light * contrast, contrast


def _local_mean(picture: F64) -> F64:
    border = cv2.BORDER_REFLECT_101
    blurred = cv2.sepFilter2D(picture, cv2.CV_64F, _GAUSSIAN, _GAUSSIAN, borderType=border)
    return np.asarray(blurred, dtype=np.float64)


def _halved(picture: F64) -> F64:
    """Means of 2 x 2 pixels."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    even = picture[:height, :width]
    return np.asarray((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)


def _each(measure: Callable[[Picture, Picture], float]) -> Callable[[Pictures, Pictures], F64]:
    return lambda a, b: np.array([measure(x, y) for x, y in zip(a, b, strict=True)])


def ssim_of(pair: Pair) -> Value | Excluded:
    """Mean over sampled frames."""
    return frame_mean(pair, _each(ssim))


SSIM = Measure(
    definition=Definition(
        name="ssim",
        family="Pictures",
        title="SSIM",
        direction="higher",
        unit="",
        range="-1 to 1",
        formula="mean over sampled frames; Gaussian window 11, sigma 1.5, K 0.01 and 0.03, RGB",
        source="Wang et al. 2004; torchmetrics 1.9.0 agrees",
        status="paper",
        divergences="scikit-image's default is a flat 7x7 window; others leave out the border or "
        "take luma.",
    ),
    of=ssim_of,
    steps=(SAMPLED,),
)


def ms_ssim_of(pair: Pair) -> Value | Excluded:
    """Mean over sampled frames."""
    if pair.generated.settings.card.size < MS_SSIM_LEAST:
        return Excluded(Reason.TOO_SMALL)
    return frame_mean(pair, _each(ms_ssim))


MS_SSIM = Measure(
    definition=Definition(
        name="ms_ssim",
        family="Pictures",
        title="MS-SSIM",
        direction="higher",
        unit="",
        range="0 to 1",
        formula="product over five scales with the paper's exponents, negative terms cut at 0; "
        f"mean over sampled frames; pictures of {MS_SSIM_LEAST} px or more",
        source="Wang et al. 2003; torchmetrics 1.9.0 agrees",
        status="paper",
        divergences="Some tools drop scales for small pictures; here they are excluded.",
    ),
    of=ms_ssim_of,
    steps=(SAMPLED,),
)

PLACE = 120
METRICS = (PSNR, SSIM, MS_SSIM)
