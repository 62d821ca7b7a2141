"""Lip sync by SyncNet v2 (Chung & Zisserman 2016, "Out of time"): LSE-C and LSE-D of one track.

The definition is joonson/syncnet_python's SyncNetInstance.evaluate, the network class and the
weights those of the `syncnet-python` package and Oxford's `syncnet_v2.model`. Input is a track
already cut by `dawn.features.sync.track_crop`, at 25 frames/s, with its 16 kHz sound.

A window is 5 frames (BGR, 0..255, not normalised) and 20 rows of MFCC, starting at row 4t for
frame t. A window's features are compared, by L2 distance without normalising, with the sound of
the windows up to 15 frames before and after; the sound's features beyond the ends are zeros. That
makes far shifts look worse in short clips; it is part of the definition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import python_speech_features
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.device import CPU, Placement, batch_on, exact
from dawn.features.rates import SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.sync.direct import DirectPicture, DirectSound
from dawn.features.sync.package import syncnet_parts
from dawn.features.sync.towers import FRAMES, PictureTower, SoundTower
from dawn.weights import load_into, load_state
from manifests.errors import InputError

SIZE = 224
MAX_SHIFT = 15
"""Frames by which sound is moved at most, to either side."""

MFCC_PER_FRAME = 4
MFCC_ROWS = 20

_BATCH = 64  # windows computed at once: of sound about 30 MB
_WINDOW_BYTES = 48 * 2**20
"""What the picture's network holds of a window on a GPU while it computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lse:
    """SyncNet's verdict on one track."""

    confidence: float
    """LSE-C: median less minimum of the distance over shifts; higher is better."""

    distance: float
    """LSE-D: the smallest distance over shifts; lower is better."""

    offset_frames: int
    """Where that is: positive, the sound leads the picture."""

    distance_at_zero: float
    """The distance without shifting: what LSE-D hides of a constant offset."""

    per_shift: NDArray[np.float32]
    """Mean distance where frame t meets the sound of frame t + k, k from -15 to 15, (31,)."""


class SyncNet:
    """SyncNet v2 with its weights loaded."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Load `syncnet_v2.model` strictly; InputError says what is wrong with the file."""
        with syncnet_parts():
            from syncnet_python.SyncNetModel import S

        network: Any = S(num_layers_in_fc_layers=1024)
        load_into(network, load_state(path), path)
        network.eval()
        self._device = place.device
        self._picture: Callable[[NDArray[np.uint8]], Tensor]
        self._sound: Callable[[Tensor], Tensor]
        if place.on_gpu:
            picture = DirectPicture(network.netcnnlip, network.netfclip).to(place.device)
            size = batch_on(place, _WINDOW_BYTES, on_cpu=1, most=_BATCH)
            self._picture = partial(_in_batches, picture, place.device, size)
            self._sound = DirectSound(network.netcnnaud, network.netfcaud).to(place.device)
        else:
            self._picture = PictureTower(network.netcnnlip, network.netfclip)
            self._sound = SoundTower(network.netcnnaud, network.netfcaud)

    def lse(self, frames: NDArray[np.uint8], wav: NDArray[np.int16]) -> Lse:
        """BGR crops (T, 224, 224, 3) at 25 frames/s and their mono int16 sound at 16 kHz to the
        track's scores. Raises InputError as `features` does.
        """
        faces, sound = self.features(frames, wav)
        return lse_of(shift_distances(faces, sound))

    def features(
        self, frames: NDArray[np.uint8], wav: NDArray[np.int16]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features of picture and sound, (W, 1024) each, of the first W = min(T, samples // 640)
        - 5 windows, as evaluate counts them. See `lse` for the arguments.

        Raises InputError for arrays of another kind, and for tracks without a window.
        """
        windows = windows_of(frames, wav)
        return self.faces(frames[: windows + FRAMES - 1]), self.sound(wav, windows)

    def faces(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """BGR crops (N + 4, 224, 224, 3) to the features (N, 1024) of their N windows: parts of a
        long track that share 4 frames give the features of the whole.
        """
        _crops(frames)
        with exact():
            return np.asarray(self._picture(frames).cpu().numpy(), dtype=np.float32)

    @exact()
    def sound(self, wav: NDArray[np.int16], windows: int) -> NDArray[np.float32]:
        """Mono int16 sound at 16 kHz to the features (windows, 1024) of its first windows."""
        mfcc = np.ascontiguousarray(python_speech_features.mfcc(wav, SAMPLE_RATE).T)
        cepstra = torch.from_numpy(mfcc).float()
        features = []
        for start in range(0, windows, _BATCH):
            stop = min(start + _BATCH, windows)
            rows = cepstra[:, start * MFCC_PER_FRAME : (stop - 1) * MFCC_PER_FRAME + MFCC_ROWS]
            parts = rows.unfold(1, MFCC_ROWS, MFCC_PER_FRAME).permute(1, 0, 2)  # (N, 13, 20)
            features.append(self._sound(parts[:, None].to(self._device)))
        return np.asarray(torch.cat(features).cpu().numpy(), dtype=np.float32)


def _in_batches(
    network: DirectPicture, device: str, size: int, frames: NDArray[np.uint8]
) -> Tensor:
    """Frames (N + 4, 224, 224, 3) through the network, `size` windows at once, (N, D)."""
    starts = range(0, len(frames) - FRAMES + 1, size)
    parts = (frames[start : start + size + FRAMES - 1] for start in starts)
    return torch.cat([network(torch.from_numpy(part).to(device)) for part in parts])


def shift_distances(
    faces: NDArray[np.float32], sound: NDArray[np.float32], max_shift: int = MAX_SHIFT
) -> NDArray[np.float32]:
    """Features (W, D) of picture and sound to the mean distance at each shift, (2 max_shift + 1,).

    At index k + max_shift, window t of the picture meets window t + k of the sound, or zeros where
    there is none. The distance is PyTorch's, which adds 1e-6 to every difference.
    """
    picture = torch.from_numpy(faces)
    padded = nn.functional.pad(torch.from_numpy(sound), (0, 0, max_shift, max_shift))
    means = [
        nn.functional.pairwise_distance(picture, padded[start : start + len(picture)]).mean()
        for start in range(2 * max_shift + 1)
    ]
    distances: NDArray[np.float32] = torch.stack(means).numpy()
    return distances


def lse_of(per_shift: NDArray[np.float32]) -> Lse:
    """The scores within mean distances (31,) by shift."""
    best, middle = int(per_shift.argmin()), len(per_shift) // 2
    return Lse(
        confidence=float(np.median(per_shift) - per_shift[best]),
        distance=float(per_shift[best]),
        offset_frames=middle - best,
        distance_at_zero=float(per_shift[middle]),
        per_shift=per_shift,
    )


def windows_of(frames: NDArray[np.uint8], wav: NDArray[np.int16]) -> int:
    """How many windows a track has; InputError for arrays of another kind, or for none."""
    _crops(frames)
    return count_windows(len(frames), wav)


def count_windows(frames: int, wav: NDArray[np.int16]) -> int:
    """How many windows so many frames and their sound have. Raises InputError for none."""
    if wav.dtype != np.int16 or wav.ndim != 1:
        raise InputError(f"expected mono int16 sound, got {wav.dtype} of shape {wav.shape}")
    windows = min(frames, len(wav) // SAMPLES_PER_FRAME) - FRAMES
    if windows < 1:
        raise InputError(
            f"{frames} frames and {len(wav)} samples hold no window: 6 frames of both needed"
        )
    return windows


def _crops(frames: NDArray[np.uint8]) -> None:
    if frames.dtype != np.uint8 or frames.shape[1:] != (SIZE, SIZE, 3):
        raise InputError(f"expected uint8 (T, 224, 224, 3), got {frames.dtype} {frames.shape}")
