"""Motion to pictures: the source is encoded once, frames are rendered a few at a time."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.a2v.model import flow_and_occlusion
from dawn.lfg.model import LFG


class Renderer:
    """Renders motion on one source picture (3, S, S), RGB in 0 … 1."""

    @torch.inference_mode()
    def __init__(self, lfg: LFG, source: Tensor, chunk: int) -> None:
        self._generator = lfg.generator
        self._source, self._chunk = source[None], chunk
        self._levels = lfg.generator.encode(self._source)

    @property
    def features(self) -> Tensor:
        """What the diffusion is conditioned on, (1, C, S / 4, S / 4)."""
        return self._levels[-1]

    @torch.inference_mode()
    def pictures(self, motion: Tensor) -> Iterator[NDArray[np.uint8]]:
        """Motion (3, T, h, w) to RGB pictures (t, S, S, 3), at most `chunk` at once."""
        flow, occlusion = flow_and_occlusion(motion[None])
        for begin in range(0, flow.shape[1], self._chunk):
            part = slice(begin, begin + self._chunk)
            yield self.rendered(flow[0, part], occlusion[0, part])

    @torch.inference_mode()
    def rendered(self, flow: Tensor, occlusion: Tensor) -> NDArray[np.uint8]:
        """Flow (T, h, w, 2) and occlusion (T, 1, h, w) to RGB (T, S, S, 3)."""
        count = len(flow)
        levels = [level.expand(count, -1, -1, -1) for level in self._levels]
        source = self._source.expand(count, -1, -1, -1)
        return as_pictures(self._generator.decode(source, levels, flow, occlusion))


def as_pictures(images: Tensor) -> NDArray[np.uint8]:
    """(T, 3, S, S) in 0 … 1 to RGB (T, S, S, 3)."""
    levels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    pictures: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).cpu().numpy()
    return pictures


def as_tensor(picture: NDArray[np.uint8], device: torch.device) -> Tensor:
    """RGB (…, S, S, 3) to (…, 3, S, S) in 0 … 1."""
    return torch.from_numpy(np.ascontiguousarray(picture)).to(device).movedim(-1, -3).float() / 255
