"""The measures of THEval (CVPR 2026, arXiv 2511.04520) that take landmarks and
sound alone, as its code at cfe23fe has them: github.com/Newbyl/THEval.

Its score of a system is 1 - |m - real| / |real|: each is held against the real clip's.
"""

import numpy as np
from numpy.typing import NDArray

from eval.metrics.interface import Definition, Excluded, Measure, Reason
from eval.metrics.presence import (
    PAUSE_FRAMES,
    Number,
    begin,
    face_fault,
    filled,
    loudness,
    of_one,
    sound_fault,
    speech,
)
from eval.metrics.steps import LANDMARKS, LATER, POSE, SOUND
from eval.protocol.clips import Clip

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

LIPS = (
    *(0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191),
    *(267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415),
)
UPPER = (191, 80, 81, 82, 13, 312, 311, 310)
LOWER = (95, 88, 178, 87, 14, 317, 402, 318)
CORNERS = (33, 263)
BROWS = (
    (276, 282, 283, 285, 293, 295, 296, 300, 334, 336),
    (46, 52, 53, 55, 63, 65, 66, 70, 105, 107),
)
EYES = (
    (249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466),
    (7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246),
)


def lip_dynamics(points: F32) -> float:
    """Mesh (T, 478, 2 or 3) in pixels to the variance over time of the distances between any two
    of the 40 lip points, over that of the outer eye corners; mean over the pairs.
    """
    lips = points[:, LIPS, :2].astype(np.float64)
    unit = np.linalg.norm(points[:, CORNERS[0], :2] - points[:, CORNERS[1], :2], axis=1)
    a, b = np.triu_indices(len(LIPS), 1)
    gaps = np.linalg.norm(lips[:, a] - lips[:, b], axis=2) / unit[:, None]
    return float(gaps.var(axis=0).mean())


def eyebrow_dynamics(points: F32) -> float:
    """Mesh (T, 478, 2 or 3) in pixels to the mean change from frame to frame of the distance of a
    brow's centre from its eye's, over that of the eyes' centres.
    """
    brows, eyes = ([points[:, group, :2].mean(axis=1) for group in part] for part in (BROWS, EYES))
    unit = np.linalg.norm(eyes[0] - eyes[1], axis=1)
    heights = [np.linalg.norm(b - e, axis=1) / unit for b, e in zip(brows, eyes, strict=True)]
    return float(np.abs(np.diff(heights, axis=1)).mean())


def head_motion(angles: F64, centres: F64) -> float:
    """Yaw, pitch, roll (T, 3) in degrees and face centres (T, 2) to
    sqrt(mean std of angles x mean variance of their steps + mean variance of the centres).
    """
    steps = np.diff(angles, axis=0).var(axis=0).mean()
    return float(np.sqrt(angles.std(axis=0).mean() * steps + centres.var(axis=0).mean()))


def openness(points: F32) -> F32:
    """Mesh (T, 478, 2 or 3) in pixels to the mean height of the inner lips' gap over the distance
    of the outer eye corners, (T,).
    """
    gaps = np.abs(points[:, UPPER, 1] - points[:, LOWER, 1]).mean(axis=1)
    unit = np.linalg.norm(points[:, CORNERS[0], :2] - points[:, CORNERS[1], :2], axis=1)
    return np.asarray(gaps / unit, dtype=np.float32)


def lip_sync(opening: F64, volume: F64) -> float:
    """Mean |minmax(opening) - minmax(volume)| over the frames of speech, each (T,)."""
    a, b = ((curve - curve.min()) / (np.ptp(curve) + 1e-8) for curve in (opening, volume))
    return float(np.abs(a - b).mean())


def silent_frames(talking: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames without speech that stand in a row of at least `PAUSE_FRAMES`, (T,)."""
    silent = ~talking
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(int)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < PAUSE_FRAMES:
            silent[start:stop] = False
    return silent


def _seen(clip: Clip) -> F32 | Excluded:
    """Mesh of the frames with a face from `skip_first` on."""
    fault = face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    skip = begin(clip)
    points = clip.landmarks[skip:][clip.face_found[skip:]]
    return points if len(points) > 2 else Excluded(Reason.TOO_SHORT)


def _lip_dynamics(clip: Clip) -> Number | Excluded:
    points = _seen(clip)
    return points if isinstance(points, Excluded) else (lip_dynamics(points), len(points))


def _eyebrow_dynamics(clip: Clip) -> Number | Excluded:
    points = _seen(clip)
    return points if isinstance(points, Excluded) else (eyebrow_dynamics(points), len(points))


def _head_motion(clip: Clip) -> Number | Excluded:
    points = _seen(clip)
    if isinstance(points, Excluded):
        return points
    skip = begin(clip)
    angles = clip.pose[skip:, :3][clip.face_found[skip:]].astype(np.float64)
    flat = points[..., :2].astype(np.float64)
    centres = (flat.min(axis=1) + flat.max(axis=1)) / 2
    return head_motion(angles, centres * (256 / clip.settings.card.size)), len(angles)


def _voiced(clip: Clip) -> tuple[F64, F64, NDArray[np.bool_]] | Excluded:
    """Opening, volume and speech of each frame from `skip_first` on."""
    fault = sound_fault(clip) or face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    skip = begin(clip)
    levels = loudness(clip)
    volume = 10 ** (levels.astype(np.float64) / 20)
    return filled(openness(clip.landmarks))[skip:], volume[skip:], speech(levels)[skip:]


def _lip_sync(clip: Clip) -> Number | Excluded:
    curves = _voiced(clip)
    if isinstance(curves, Excluded):
        return curves
    opening, volume, talking = curves
    if talking.mean() < 0.1 or talking.sum() < 2:
        return Excluded(Reason.NO_EVENTS)
    if np.ptp(opening[talking]) < 1e-4:
        return Excluded(Reason.FROZEN)
    return lip_sync(opening[talking], volume[talking]), int(talking.sum())


def _silent_lips(clip: Clip) -> Number | Excluded:
    curves = _voiced(clip)
    if isinstance(curves, Excluded):
        return curves
    opening, _, talking = curves
    silent = silent_frames(talking)
    if silent.sum() < 2:
        return Excluded(Reason.NO_EVENTS)
    quiet = opening[silent]
    return float(np.median(np.abs(quiet - quiet.mean()))), int(silent.sum())


_VAD = "Speech is found by loudness (within 30 dB of the loud parts), theirs by Silero's network. "


THL_LIP_DYNAMICS = Measure(
    definition=Definition(
        name="thl_lip_dynamics",
        family="Lip sync",
        title="Lip dynamics",
        direction="closer",
        unit="",
        range="0 and up",
        formula="mean over pairs of the 40 lip points of the variance over time of their distance "
        "/ distance of the outer eye corners",
        source="THEval, lip_dynamics.py",
        status="paper",
        divergences="Theirs takes the first 500 frames at the video's own rate and size.",
    ),
    of=of_one(_lip_dynamics, against_real=True),
    steps=(LANDMARKS, LATER),
    paired=False,
)

THL_EYEBROW_DYNAMICS = Measure(
    definition=Definition(
        name="thl_eyebrow_dynamics",
        family="Motion",
        title="Eyebrow dynamics",
        direction="closer",
        unit="distances of the eyes' centres a frame",
        range="0 and up",
        formula="mean over frames and sides of |change of the distance of brow and eye / distance "
        "of the eyes|",
        source="THEval, eyebrow_dynamics.py",
        status="paper",
        divergences="Theirs is at the video's own rate, which changes it. Landmark noise counts.",
    ),
    of=of_one(_eyebrow_dynamics, against_real=True),
    steps=(LANDMARKS, LATER),
    paired=False,
)

THL_HEAD_MOTION = Measure(
    definition=Definition(
        name="thl_head_motion",
        family="Motion",
        title="Head motion dynamics",
        direction="closer",
        unit="",
        range="0 and up",
        formula="sqrt(mean std of yaw, pitch, roll x mean variance of their steps + mean variance "
        "of the face's centre); degrees, and pixels of a picture of 256",
        source="THEval, head_motion_dynamics.py",
        status="proxy",
        divergences="Theirs takes angles from FaceXFormer and the centre of RetinaFace's box in "
        "the video's own pixels, so that its number grows with the resolution.",
    ),
    of=of_one(_head_motion, against_real=True),
    steps=(POSE, LATER),
    paired=False,
)

THL_LIPSYNC = Measure(
    definition=Definition(
        name="thl_lipsync",
        family="Lip sync",
        title="Lip-sync (THEval)",
        direction="closer",
        unit="",
        range="0 to 1",
        formula="mean over frames of speech of |minmax(lip opening) - minmax(RMS of the frame's "
        "sound)|",
        source="THEval, lip_sync.py",
        status="proxy",
        divergences=f"{_VAD}RMS is over the frame's 40 ms, theirs over 50 ms. Theirs mixes heights "
        "and widths, so that it depends on the picture's aspect. No lag is compensated.",
    ),
    of=of_one(_lip_sync, against_real=True),
    steps=(LANDMARKS, SOUND, LATER),
    paired=False,
)

SILENT_LIP_STABILITY = Measure(
    definition=Definition(
        name="silent_lip_stability",
        family="Lip sync",
        title="Silent lip stability",
        direction="closer",
        unit="distances of the outer eye corners",
        range="0 and up",
        formula="median over frames of pauses (at least 320 ms) of |lip opening - its mean there|",
        source="THEval, silent_lip_stability.py",
        status="proxy",
        divergences=f"{_VAD}Clips without a pause are excluded; theirs gives them none either.",
    ),
    of=of_one(_silent_lips, against_real=True),
    steps=(LANDMARKS, SOUND, LATER),
    paired=False,
)

PLACE = 170
METRICS = (
    THL_LIP_DYNAMICS,
    THL_HEAD_MOTION,
    SILENT_LIP_STABILITY,
    THL_LIPSYNC,
    THL_EYEBROW_DYNAMICS,
)
