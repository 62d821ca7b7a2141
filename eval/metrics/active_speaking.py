"""asd_margin_lrasd: does this face speak this sound, by LR-ASD: a proxy for lip sync."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.device import CPU, Placement
from dawn.features.sync.track_crop import SIZE, crops_of, track_squares
from eval.metrics.interface import Definition, Excluded, Measure, Reason
from eval.metrics.lip_sync import to_int16
from eval.metrics.presence import Number, face_fault, filled, of_one, sound_fault
from eval.metrics.steps import LANDMARKS, SOUND, Step
from eval.protocol.clips import Clip

if TYPE_CHECKING:  # torch takes a second to import
    from dawn.features.sync.active_speaker import ActiveSpeaker

WEIGHTS = "lr_asd"
LR_ASD = Step(
    name="lr-asd", libraries=("python_speech_features", "torch"), after=(LANDMARKS, SOUND)
)


@functools.lru_cache(maxsize=1)
def active_speaker(path: Path, place: Placement = CPU) -> "ActiveSpeaker":
    """The network from a file, once a process. Raises InputError."""
    from dawn.features.sync.active_speaker import ActiveSpeaker

    return ActiveSpeaker(path, place)


def mesh_boxes(clip: Clip) -> NDArray[np.float32]:
    """Box of the mesh in each frame, (frames, 4): left, top, right, bottom; gaps interpolated."""
    flat = clip.landmarks[:, :468, :2]
    boxes = np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1)
    return filled(boxes).astype(np.float32)


def grey_crops(clip: Clip) -> NDArray[np.uint8]:
    """The face as LR-ASD takes it, (frames, 112, 112)."""
    from dawn.features.sync.active_speaker import FACE

    squares, edge, at = track_squares(mesh_boxes(clip)), (SIZE - FACE) // 2, 0
    inner = slice(edge, edge + FACE)
    grey = []
    for chunk in clip.chunks():
        crops = crops_of(chunk, squares[at : at + len(chunk)])[:, inner, inner]
        grey += [cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY) for crop in crops]
        at += len(chunk)
    return np.asarray(np.stack(grey), dtype=np.uint8)


def asd_margin(clip: Clip) -> Number | Excluded:
    """See `dawn.features.sync.active_speaker`."""
    fault = sound_fault(clip) or face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    from dawn.features.sync.active_speaker import LEAST_FRAMES

    if clip.frames < LEAST_FRAMES:
        return Excluded(Reason.TOO_SHORT)
    net = active_speaker(clip.settings.weights[WEIGHTS], clip.settings.place)
    return net.asd_margin(grey_crops(clip), to_int16(clip.sound)).margin, 1


ASD_MARGIN = Measure(
    definition=Definition(
        name="asd_margin_lrasd",
        family="Lip sync",
        title="Active-speaker margin",
        direction="higher",
        unit="logits",
        range="any",
        formula="mean logit that this face speaks this sound, less the same with the sound moved "
        "by 8 to 15 frames either way",
        source="ours; network of LR-ASD (Liao et al., IJCV 2025)",
        status="proxy",
        divergences="Not LSE, and coarse: average it over many clips. Own sound beats another "
        "clip's in three of four real clips.",
    ),
    of=of_one(asd_margin, against_real=False),
    steps=(LR_ASD,),
    weights=(WEIGHTS,),
    paired=False,
)

PLACE = 60
METRICS = (ASD_MARGIN,)
