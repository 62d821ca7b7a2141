"""HuBERT features of speech, the sound that DAWN listens to.

The authors take the last hidden state of `facebook/hubert-large-ls960-ft` (Hsu et al. 2021, arXiv
2106.07447; 1024 numbers at 50 Hz) over independent segments of 20 s, and interpolate it linearly
to the video's frames. The model is read from a folder on disk, never from a hub.
"""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.device import CPU, Placement, batch_on, exact
from dawn.torchvision_import import prepare_torchvision
from manifests.errors import InputError

STRIDE = 320
"""Samples from one row of features to the next."""

WINDOW = 400
"""Samples that a row's convolutions see; shorter sound is filled up with silence."""

SEGMENT = 320_000
"""Samples from one segment to the next; each also sees the 80 that its last row needs."""

_SEGMENT_BYTES, _MOST_SEGMENTS = 2**30, 8
"""What the large model holds of a segment while it computes, and the segments at once."""

_FILES = "config.json, preprocessor_config.json and model.safetensors or pytorch_model.bin"


class Hubert:
    """A HuBERT model from a folder in the Hugging Face layout."""

    def __init__(self, folder: Path, place: Placement = CPU) -> None:
        """Load the model. Raises InputError where `transformers` is not installed, or the folder
        lacks a file or a tensor.
        """
        self._normalise = _wants_normalising(folder)
        self._network = _load(folder).to(place.device)
        self._device = place.device
        self._batch = batch_on(place, _SEGMENT_BYTES, on_cpu=1, most=_MOST_SEGMENTS)
        self.size: int = self._network.config.hidden_size

    def features(self, wav: NDArray[Any], n_frames: int) -> NDArray[np.float32]:
        """Mono sound at 16 kHz (samples,), int16 or floats in -1..1, to (n_frames, size)."""
        return interpolate(self.hidden_states(wav), n_frames)

    @exact()
    def hidden_states(self, wav: NDArray[Any]) -> NDArray[np.float32]:
        """Mono sound at 16 kHz (samples,) to the last hidden state, (L, size) at 50 Hz.

        L is (samples - 80) // 320, as if the file were one segment, and at least 1.
        """
        sound = torch.from_numpy(self._prepare(wav))
        starts = range(0, len(sound), SEGMENT)
        segments = [sound[start : start + SEGMENT + WINDOW - STRIDE] for start in starts]
        parts = []
        for length, alike in groupby(segments, len):  # all but the last are of one length
            same = list(alike) if length >= WINDOW else []  # else inside the segment before
            for start in range(0, len(same), self._batch):
                batch = torch.stack(same[start : start + self._batch]).to(self._device)
                parts.append(self._network(batch).last_hidden_state.flatten(0, 1))
        rows: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return rows

    def _prepare(self, wav: NDArray[Any]) -> NDArray[np.float32]:
        """Floats of zero mean and unit variance over the whole file, if the model wants that."""
        if wav.ndim != 1 or wav.dtype.kind not in "fi" or not len(wav):
            raise InputError(f"expected mono sound, got {wav.dtype} of shape {wav.shape}")
        if wav.dtype.kind == "i" and wav.dtype != np.int16:
            raise InputError(f"expected int16 or float sound, got {wav.dtype}")
        sound = wav.astype(np.float32) / (32768 if wav.dtype == np.int16 else 1)
        if self._normalise:
            sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
        return np.pad(sound, (0, max(0, WINDOW - len(sound))))


def interpolate(rows: NDArray[np.float32], n_frames: int) -> NDArray[np.float32]:
    """Rows (L, D), evenly spaced over a clip, to as many as it has frames, (n_frames, D): linear,
    the first and the last row kept.
    """
    places = np.linspace(0, len(rows) - 1, n_frames)
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, len(rows) - 1)
    share = (places - before)[:, np.newaxis].astype(np.float32)
    return np.asarray(rows[before] * (1 - share) + rows[after] * share, dtype=np.float32)


def _wants_normalising(folder: Path) -> bool:
    """What the folder's preprocessor_config.json says of `do_normalize`."""
    path = folder / "preprocessor_config.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return bool(settings["do_normalize"])
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); {folder} needs {_FILES}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: does not say `do_normalize`; fetch it again") from error


def _load(folder: Path) -> Any:  # noqa: ANN401 - an untyped package's model
    """The model of a folder, in float32, ready for inference; see `Hubert`."""
    prepare_torchvision()  # transformers imports it with its audio models
    try:
        from transformers import HubertModel
    except ImportError as error:
        raise InputError(
            "HuBERT features need transformers: pip install 'dawn-pipeline[hubert]'"
        ) from error
    try:
        network, report = HubertModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder}: is no HuBERT model ({reason}); it needs {_FILES}") from error
    missing = set(report["missing_keys"]) - {"masked_spec_embed"}  # serves training only
    if missing:
        raise InputError(f"{folder}: lacks {min(missing)!r} ({len(missing)} such tensors)")
    return network.float().eval()
