"""Does this face speak this sound: LR-ASD, and how much worse the sound fits when moved in time.

LR-ASD (Liao et al., IJCV 2025, github.com/Junhua-Liao/LR-ASD) detects active speakers. The
margin built on it is a proxy for lip sync: "this face is talking to this sound". It is positive
for most clips of a few seconds in sync, but coarse: average it over many clips. It is neither
SyncNet's confidence nor its distance and must never be reported as LSE, Sync-C or Sync-D.

Everything is at 25 frames/s; frame t goes with MFCC rows 4t to 4t+3 (100 Hz).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import python_speech_features
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.device import CPU, Placement, exact
from dawn.features.rates import SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.sync.lr_asd import REACH, LrAsd
from dawn.features.sync.track_crop import SIZE, track_crops
from dawn.weights import load_into, load_state
from manifests.errors import InputError

FACE = 112
"""Side of the grey crops in pixels."""

CEPSTRA = 13
MFCC_PER_FRAME = 4

MAX_SHIFT = 15
"""Frames by which the sound is moved at most; as SyncNet does."""

FAR_SHIFT = 8
"""From this many frames on, sound counts as not belonging to the picture."""

SURE, SURE_FRAMES = 0.5, 100
"""By how much the best shift's mean logit must exceed the median one, and in how many frames, for
the offset to mean something. Speakers of real clips measured 0.77 to 2.3, with the sound moved as
well; listeners and still faces mostly below 0.5. Pieces of 75 frames in sync measured up to 15
frames off, pieces of 100 at most 3.
"""

LEAST_FRAMES = 2 * MAX_SHIFT + 15
"""Fewest frames of a clip with a margin: the outer 15 on each side are only shifted into."""

_CHUNK = 100  # frames encoded at once: bounds memory
_SCORED_AT_ONCE = 30_000  # frames x shifts in one pass of the recurrent part

# Names in the file, and ours. The head `lossV.` serves training only.
_RENAMED = {
    "model.visualEncoder.": "visual.",
    "model.audioEncoder.": "audio.",
    "model.fusion.": "fusion.",
    "model.detector.": "detector.",
    "lossAV.FC.": "head.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """How much better sound fits a picture than the same sound moved far away."""

    margin: float
    """Mean logit in place less that at shifts of 8 to 15 frames either way."""

    offset_frames: int
    """Where the sound fits best, in SyncNet's sign: positive, the sound comes too early."""

    scores: NDArray[np.float32]
    """Mean logit where frame t is paired with the sound of frame t + k, k from -15 to 15, (31,)."""

    speaking: NDArray[np.float32]
    """The logit of each frame in place, as `speaking_logits` gives it, (T,)."""

    @property
    def sure(self) -> bool:
        """Whether the offset means something: the sound fits clearly better there."""
        gain = float(self.scores.max() - np.median(self.scores))
        return gain >= SURE and len(self.speaking) >= SURE_FRAMES


class ActiveSpeaker:
    """LR-ASD with its weights loaded."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Load the published weights strictly; InputError says what is wrong with the file."""
        state = {}
        for name, tensor in load_state(path).items():
            prefix = next((old for old in _RENAMED if name.startswith(old)), "")
            if not name.startswith("lossV."):
                state[_RENAMED.get(prefix, "") + name.removeprefix(prefix)] = tensor
        self._network = LrAsd().eval()
        load_into(self._network, state, path)
        self._device = place.device
        self._network.to(self._device)

    @exact()
    def speaking_logits(
        self, faces: NDArray[np.uint8], mfcc: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Grey crops (T, 112, 112) and MFCC (4 T, 13) to a logit per frame (T,): above 0, this
        face is taken to speak this sound.
        """
        sound, picture = self._encode(faces, mfcc)
        logits: NDArray[np.float32] = self._network.score(sound, picture)[0].cpu().numpy()
        return logits

    @exact()
    def asd_margin(self, faces: NDArray[np.uint8], wav: NDArray[np.int16]) -> Margin:
        """Grey crops (T, 112, 112) and their int16 sound at 16 kHz to the margin: a proxy for
        sync, never LSE (see the module).

        Every shift is scored on the same frames, 15 to T - 15, against real sound: nothing is
        padded or wrapped. Raises InputError for clips of fewer than `LEAST_FRAMES` frames.
        """
        if len(faces) < LEAST_FRAMES:
            raise InputError(f"a clip needs {LEAST_FRAMES} frames for a margin, got {len(faces)}")
        sound, picture = self._encode(faces, sound_mfcc(wav, len(faces)))
        speaking: NDArray[np.float32] = self._network.score(sound, picture)[0].cpu().numpy()
        length = len(faces) - 2 * MAX_SHIFT
        picture = picture[:, MAX_SHIFT : MAX_SHIFT + length]
        shifted = sound[0].unfold(0, length, 1).transpose(1, 2)  # (31, length, 128), a view
        batch = max(1, _SCORED_AT_ONCE // length)
        means = [
            self._network.score(part, picture.expand(len(part), -1, -1)).mean(dim=1)
            for part in torch.split(shifted, batch)
        ]
        scores: NDArray[np.float32] = torch.cat(means).cpu().numpy()
        far = np.abs(np.arange(-MAX_SHIFT, MAX_SHIFT + 1)) >= FAR_SHIFT
        return Margin(
            margin=float(scores[MAX_SHIFT] - scores[far].mean()),
            offset_frames=MAX_SHIFT - int(scores.argmax()),
            scores=scores,
            speaking=speaking,
        )

    def _encode(self, faces: NDArray[np.uint8], mfcc: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Sound and faces, (1, T, 128) each, in chunks that overlap by the encoders' reach, so
        that the result is the same as at once.
        """
        frames = len(faces)
        if faces.shape[1:] != (FACE, FACE) or mfcc.shape != (MFCC_PER_FRAME * frames, CEPSTRA):
            raise InputError(
                f"expected crops (T, {FACE}, {FACE}) and MFCC (4 T, 13), "
                f"got {faces.shape} and {mfcc.shape}"
            )
        sound, picture = [], []
        for start in range(0, frames, _CHUNK):
            stop = min(start + _CHUNK, frames)
            low, high = max(start - REACH, 0), min(stop + REACH, frames)
            kept = slice(start - low, stop - low)
            rows = mfcc[low * MFCC_PER_FRAME : high * MFCC_PER_FRAME].astype(np.float32)
            pixels = torch.from_numpy(faces[low:high]).to(self._device).float()[None]
            cepstra = torch.from_numpy(rows).to(self._device)[None]
            picture.append(self._network.encode_faces(pixels)[:, kept])
            sound.append(self._network.encode_sound(cepstra)[:, kept])
        return torch.cat(sound, dim=1), torch.cat(picture, dim=1)


def speaker_crops(
    frames: Iterable[NDArray[np.uint8]], boxes: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """RGB pictures (H, W, 3) and face boxes (T, 4) to the grey crops (T, 112, 112) that LR-ASD
    is run on: the middle of the 224 px track crops. Errors as in `track_crops`.
    """
    edge = (SIZE - FACE) // 2
    inner = track_crops(frames, boxes)[:, edge : edge + FACE, edge : edge + FACE]
    grey = [cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in inner]
    return np.asarray(np.stack(grey), dtype=np.uint8)


def sound_mfcc(wav: NDArray[np.int16], frames: int) -> NDArray[np.float32]:
    """int16 sound at 16 kHz (samples,) to the MFCC (4 T, 13) of its first T frames.

    The last rows, whose 25 ms window passes the end, and up to a frame of missing sound repeat
    the row before. Raises InputError when more is missing, or for samples that are not int16.
    """
    if wav.dtype != np.int16 or wav.ndim != 1:
        raise InputError(f"expected mono int16 sound, got {wav.dtype} of shape {wav.shape}")
    needed = frames * SAMPLES_PER_FRAME
    if len(wav) <= needed - SAMPLES_PER_FRAME:
        raise InputError(f"{len(wav)} samples of sound are too few for {frames} frames")
    mfcc = python_speech_features.mfcc(wav[:needed], SAMPLE_RATE)
    rows = np.asarray(mfcc, dtype=np.float32)[: frames * MFCC_PER_FRAME]
    return np.pad(rows, ((0, frames * MFCC_PER_FRAME - len(rows)), (0, 0)), mode="edge")
