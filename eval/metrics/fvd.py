"""FVD on windows of 16 or 32 frames, by I3D's Kinetics-400 logits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn.device import batch_on, exact
from eval.metrics.batches import Pictures, across
from eval.metrics.interface import Definition, Excluded, Features, Reason
from eval.metrics.set_distances import SetDistance, frechet
from eval.metrics.steps import LATER, PICTURES, Step
from eval.protocol.clips import Clip

LOGITS = 400

_FRAME_BYTES, _MOST = 12 * 2**20, 16
"""What the network holds of a window's frame while it computes, and the windows at once."""


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
        """(windows, 400). On the CPU one window at a time: memory is one window's."""
        return self.extract_all([clip])[0]

    def extract_all(self, clips: Sequence[Clip]) -> list[Features | Excluded]:
        """See Feature."""
        import torch

        from eval.metrics.networks import torchscript

        settings = clips[0].settings
        net = torchscript(settings.weights["i3d_k400"], settings.place.device)
        size = batch_on(settings.place, _FRAME_BYTES * self.length, on_cpu=1, most=_MOST)

        def run(several: Pictures) -> Features:
            """Windows (n, length, size, size, 3) to (n, 400)."""
            with exact():
                planes = torch.from_numpy(several.transpose(0, 4, 1, 2, 3).copy())
                pixels = planes.to(settings.place.device).float()
                # StyleGAN-V's call: the script scales to [-1, 1] and resizes to 224 itself, and
                # gives the logits.
                logits = net(pixels, rescale=True, resize=True, return_features=True)
                return logits.reshape(-1, LOGITS).cpu().numpy()

        each = [(window[np.newaxis] for window in windows(c, self.length)) for c in clips]
        return [of if len(of) else Excluded(Reason.TOO_SHORT) for of in across(run, each, size)]


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
