"""FVD on windows of 16 or 32 frames, by I3D's Kinetics-400 logits."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eval.metrics.interface import Definition, Excluded, Features, Reason
from eval.metrics.networks import torchscript
from eval.metrics.set_distances import SetDistance, frechet
from eval.metrics.steps import LATER, PICTURES, Step
from eval.protocol.clips import Clip

LOGITS = 400


def windows(clip: Clip, length: int) -> Iterator[NDArray[np.uint8]]:
    """Adjoining windows (length, size, size, 3) from `skip_first` on; a shorter rest is left."""
    skip = clip.settings.card.skip_first
    held: list[NDArray[np.uint8]] = []
    for chunk in clip.chunks():
        frames, skip = chunk[skip:], max(0, skip - len(chunk))
        for frame in frames:
            held.append(frame)
            if len(held) == length:
                yield np.stack(held)
                held = []


@dataclass(frozen=True)
class I3dLogits:
    """400 numbers for each window of `length` frames."""

    length: int
    weights: tuple[str, ...] = ("i3d_k400",)
    steps: tuple[Step, ...] = (Step(name="i3d", libraries=("torch",), after=(PICTURES, LATER)),)
    version: int = 1

    @property
    def name(self) -> str:
        """See Feature."""
        return f"i3d_logits_{self.length}"

    def extract(self, clip: Clip) -> Features | Excluded:
        """(windows, 400). One window at a time: memory is one window's."""
        net = torchscript(clip.settings.weights["i3d_k400"])
        rows = []
        for window in windows(clip, self.length):
            pixels = torch.from_numpy(window.transpose(3, 0, 1, 2)[np.newaxis].copy()).float()
            with torch.inference_mode():
                # StyleGAN-V's call: the script scales to [-1, 1] and resizes to 224 itself, and
                # gives the logits.
                logits = net(pixels, rescale=True, resize=True, return_features=True)
            rows.append(logits.reshape(LOGITS).numpy())
        return np.stack(rows) if rows else Excluded(Reason.TOO_SHORT)


def fvd(length: int) -> SetDistance:
    """Fréchet video distance on windows of `length` frames."""
    definition = Definition(
        name=f"fvd{length}_i3d400",
        family="Pictures",
        headline=True,
        title=f"FVD{length}",
        direction="lower",
        unit="",
        range="0 and up",
        formula="Fréchet distance over the 400 logits of I3D (Kinetics-400) for adjoining "
        f"windows of {length} frames from `skip_first` on; a shorter rest is dropped",
        source="Unterthiner et al. 2018 (arXiv 1812.01717); StyleGAN-V's TorchScript and call",
        status="paper",
        divergences="Window length, stride, number of clips and the frames' preparation all "
        "move it; FVD16 and FVD32 are not comparable. Other I3D weights (DeepMind's own) give "
        "another scale. Depends on content more than on motion, and strongly on n.",
    )
    return SetDistance(definition, f"i3d_logits_{length}", frechet)


PLACE = 30
FEATURES = (I3dLogits(16), I3dLogits(32))
METRICS = (fvd(16), fvd(32))
