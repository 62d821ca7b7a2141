"""AVSu: do lips and sound mean the same to AV-HuBERT? Of Yaman et al. 2024 (arXiv 2405.04327),
which compares what a lip-reading network makes of the mouth alone and of the sound alone.

The network is read as ONNX, which holds no code: AV-HuBERT's own needs fairseq. The file takes
`video` (1, 1, T, 88, 88) and `audio` (1, 104, T), in this order, and gives the features of either,
(1, T, D).
"""

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.device import CPU, Placement, onnx_device
from dawn.features.onnx_file import open_onnx
from dawn.features.rates import SAMPLE_RATE, SAMPLES_PER_FRAME
from eval.metrics.interface import Definition, Excluded, Measure, Reason
from eval.metrics.presence import Number, face_fault, filled, of_one, sound_fault
from eval.metrics.steps import LANDMARKS, SOUND, Step
from eval.metrics.theval import CORNERS, LIPS
from eval.protocol.clips import Clip
from manifests.errors import InputError

SIDE = 88
_EYES_WIDE = 1.1
"""Side of the crop, in distances of the outer eye corners."""
_SMOOTH = 12
"""Frames over which the crop's place is averaged, as AV-HuBERT's preparation does."""
_MEAN, _DEVIATION = 0.421, 0.165
_BANDS, _STACKED = 26, 4
_MOST_FRAMES = 750
"""Of a clip that is looked at: 30 s."""

F32 = NDArray[np.float32]


@functools.lru_cache(maxsize=1)
def _session(path: Path, place: Placement = CPU) -> Any:  # noqa: ANN401 - onnxruntime is untyped
    session = open_onnx(path, onnx_device(place.device))
    if len(session.get_inputs()) != 2 or len(session.get_outputs()) != 2:
        raise InputError(f"{path}: must take video and audio and give the features of either")
    return session


def crops(clip: Clip, frames: int) -> F32:
    """The mouth, upright, in grey, normalised: (frames, 88, 88)."""
    points = filled(clip.landmarks[:frames, :, :2].reshape(frames, -1)).reshape(frames, -1, 2)
    lips = points[:, LIPS].mean(axis=1)
    eyes = points[:, CORNERS[1]] - points[:, CORNERS[0]]
    lips, eyes = (_smoothed(curve) for curve in (lips, eyes))
    found, at = np.empty((frames, SIDE, SIDE), np.float32), 0
    for chunk in clip.chunks():
        for frame in chunk[: frames - at]:
            scale = SIDE / (_EYES_WIDE * max(1.0, float(np.linalg.norm(eyes[at]))))
            angle = float(np.degrees(np.arctan2(eyes[at, 1], eyes[at, 0])))
            turn = cv2.getRotationMatrix2D(tuple(map(float, lips[at])), angle, scale)
            turn[:, 2] += SIDE / 2 - lips[at]
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            found[at] = cv2.warpAffine(grey, turn, (SIDE, SIDE))
            at += 1
        if at == frames:
            break
    return np.asarray((found / 255 - _MEAN) / _DEVIATION, dtype=np.float32)


def _smoothed(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    reach = _SMOOTH // 2
    rows = [curve[max(0, t - reach) : t + reach].mean(axis=0) for t in range(len(curve))]
    return np.stack(rows)


def filterbank(samples: F32, frames: int) -> F32:
    """Mono 16 kHz samples to four log filter banks a frame, normalised: (104, frames)."""
    from python_speech_features import logfbank

    rows = logfbank(np.round(samples * 32767).astype(np.int16), samplerate=SAMPLE_RATE)
    wide = np.zeros((frames * _STACKED, _BANDS), np.float32)
    count = min(len(rows), len(wide))
    wide[:count] = rows[:count]
    stacked = wide.reshape(frames, -1)
    centred = stacked - stacked.mean(axis=1, keepdims=True)
    even = centred / np.sqrt(stacked.var(axis=1, keepdims=True) + 1e-5)
    return np.ascontiguousarray(even.T, dtype=np.float32)


def agreement(clip: Clip) -> Number | Excluded:
    """Mean cosine of the features of mouth and sound, over the frames."""
    fault = sound_fault(clip) or face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    path = clip.settings.weights["av_hubert"]
    session, frames = _session(path, clip.settings.place), min(clip.frames, _MOST_FRAMES)
    given = (
        crops(clip, frames)[None, None],
        filterbank(clip.sound[: frames * SAMPLES_PER_FRAME], frames)[None],
    )
    names = [one.name for one in session.get_inputs()]
    video, audio = session.run(None, dict(zip(names, given, strict=True)))
    if video.shape != audio.shape or video.shape[:2] != (1, frames):
        raise InputError(f"{path}: must give features (1, T, D), gives {video.shape}")
    sizes = np.linalg.norm(video[0], axis=1) * np.linalg.norm(audio[0], axis=1)
    if not (sizes > 0).any():
        return Excluded(Reason.NO_EVENTS)
    cosines = (video[0] * audio[0]).sum(axis=1)[sizes > 0] / sizes[sizes > 0]
    return float(cosines.mean()), len(cosines)


AVSU = Measure(
    definition=Definition(
        name="avsu_avhubert",
        family="Lip sync",
        title="AVSu (AV-HuBERT)",
        direction="higher",
        unit="",
        range="-1 to 1",
        formula="mean over frames of cos(AV-HuBERT of the mouth alone, of the sound alone), at "
        "most 30 s",
        source="Yaman et al. 2024 (arXiv 2405.04327); Shi et al. 2022 (AV-HuBERT)",
        status="proxy",
        divergences="AV-HuBERT warps faces to a mean face; here the mouth is turned upright and "
        "scaled by the eye corners.",
    ),
    of=of_one(agreement, against_real=False),
    steps=(
        Step(
            name="av-hubert",
            libraries=("onnxruntime", "python_speech_features"),
            after=(LANDMARKS, SOUND),
        ),
    ),
    weights=("av_hubert",),
    paired=False,
)

PLACE = 55
METRICS = (AVSU,)
