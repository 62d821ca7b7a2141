"""Whose voice it is: a speaker embedding, by GE2E (Wan et al. 2018, arXiv 1710.10467).

The network and its input are Resemblyzer's, without the packages that it needs. Embeddings are
unit vectors. Halves of one real clip agreed at 0.76 to 0.89, different people at up to 0.62.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.device import CPU, Placement, exact
from dawn.features.rates import SAMPLE_RATE
from dawn.weights import load_into, load_state

EMBEDDING = 256
_BANDS = 40
_WINDOW, _HOP = 400, 160
_PIECE, _STEP = 160, 77
"""Steps of 10 ms that the network sees at once, and by which pieces follow each other."""
_LOUDNESS = 10 ** (-30 / 20)
"""Root mean square that quieter sound is raised to."""
_SILENCE = 1e-4


class SpeakerEncoder(nn.Module):
    """Embeds voices."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Read Resemblyzer's file; InputError when it is another."""
        super().__init__()
        self.lstm = nn.LSTM(_BANDS, EMBEDDING, 3, batch_first=True)
        self.linear = nn.Linear(EMBEDDING, EMBEDDING)
        ours = ("lstm.", "linear.")  # the rest served its training
        state = load_state(path, key="model_state")
        load_into(self, {k: v for k, v in state.items() if k.startswith(ours)}, path)
        self.to(place.device)

    def forward(self, pieces: Tensor) -> Tensor:
        """Mel power of pieces (P, 160, 40) to their common unit vector (256,)."""
        _, (hidden, _) = self.lstm(pieces)
        vectors = nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)
        return nn.functional.normalize(vectors.mean(dim=0), dim=0)

    @exact()
    def embed(self, samples: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Mono 16 kHz samples (N,) to a unit vector (256,): the mean over pieces of 1.6 s, every
        0.77 s. None for silence.
        """
        level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0
        if level < _SILENCE:
            return None
        steps = _mel(torch.from_numpy(samples * np.float32(max(1.0, _LOUDNESS / level))))
        steps = nn.functional.pad(steps, (0, 0, 0, max(0, _PIECE - len(steps))))
        pieces = steps.unfold(0, _PIECE, _STEP).transpose(1, 2)
        voice: NDArray[np.float32] = self(pieces.to(self.linear.weight.device)).cpu().numpy()
        return voice


def _mel(samples: Tensor) -> Tensor:
    """(N,) to (T, 40) mel power, as librosa's `melspectrogram` makes it."""
    window = torch.hann_window(_WINDOW)
    spectrum = torch.stft(
        samples, _WINDOW, _HOP, window=window, pad_mode="constant", return_complex=True
    )
    return (_filters() @ spectrum.abs().square()).T


@lru_cache(maxsize=1)
def _filters() -> Tensor:
    """Triangular filters of unit area on Slaney's mel scale, (40, 201): linear to 1 kHz, then
    logarithmic.
    """
    knee, per_mel, growth = 15.0, 200 / 3, np.log(6.4) / 27
    top = knee + np.log(SAMPLE_RATE / 2 / 1000) / growth
    mels = np.linspace(0, top, _BANDS + 2)
    edges = np.where(mels < knee, mels * per_mel, 1000 * np.exp(growth * (mels - knee)))
    frequency = np.linspace(0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)
    rising = (frequency - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequency) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    area = 2 / (edges[2:] - edges[:-2])
    return torch.from_numpy((triangles * area[:, None]).astype(np.float32))
