"""Flicker of the picture and jerk of the head: both are held against the real clip's."""

import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS
from eval.metrics.interface import POOLED_MEAN, Definition, Excluded, Measure, Reason, Value
from eval.metrics.steps import LATER, PICTURES, POSE
from eval.protocol.clips import Clip, Pair

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def flicker(clip: Clip) -> tuple[float, int]:
    """Mean |x(t-1) - 2 x(t) + x(t+1)| of the luma over all pixels from `skip_first` on, and over
    how many instants t.
    """
    skip = clip.settings.card.skip_first
    total, count = 0.0, 0
    tail: NDArray[np.float32] | None = None
    for chunk in clip.chunks():
        frames, skip = chunk[skip:], max(0, skip - len(chunk))
        luma = np.asarray(frames @ _LUMA, dtype=np.float32)
        if tail is not None:
            luma = np.concatenate([tail, luma])
        if len(luma) > 2:
            # One sum an instant, so that the chunks' lengths do not change the rounding.
            bends = np.abs(luma[:-2] - 2 * luma[1:-1] + luma[2:])
            for bend in bends:
                total += float(bend.mean(dtype=np.float64))
            count += len(bends)
        tail = luma[-2:]
    return (total / count if count else 0.0), count


def flicker_of(pair: Pair) -> Value | Excluded:
    """Of both videos."""
    value, count = flicker(pair.generated)
    reference, _ = flicker(pair.reference)
    return Value(value, reference, count) if count else Excluded(Reason.TOO_SHORT)


FLICKER = Measure(
    definition=Definition(
        name="flicker",
        family="Pictures",
        title="Flicker",
        direction="closer",
        unit="grey levels",
        range="0 to 510",
        formula="mean over pixels and frames of |x(t-1) - 2 x(t) + x(t+1)|, x the luma 0..255",
        source="ours: second difference in time",
        status="own",
        divergences="Motion and film grain count too: hence against the real clip's.",
    ),
    of=flicker_of,
    steps=(PICTURES, LATER),
    paired=False,
    together=POOLED_MEAN,
)


def head_jerk(clip: Clip) -> tuple[float, int]:
    """Mean length of the third difference of yaw, pitch and roll in degree/s³ from `skip_first`
    on, over stretches of four frames with a face, and how many there are.
    """
    angles = clip.pose[clip.settings.card.skip_first :, :3].astype(np.float64)
    thirds = np.diff(angles, n=3, axis=0) * FPS**3
    known = thirds[np.isfinite(thirds).all(axis=1)]
    return (float(np.linalg.norm(known, axis=1).mean()) if len(known) else 0.0), len(known)


def head_jerk_of(pair: Pair) -> Value | Excluded:
    """Of both videos."""
    value, count = head_jerk(pair.generated)
    reference, reference_count = head_jerk(pair.reference)
    if not count or not reference_count:
        found = pair.generated.face_found.any() and pair.reference.face_found.any()
        return Excluded(Reason.FEW_FACES if found else Reason.NO_FACE)
    return Value(value, reference, count)


HEAD_JERK = Measure(
    definition=Definition(
        name="head_jerk",
        family="Motion",
        title="Head jerk",
        direction="closer",
        unit="degree/s³",
        range="0 and up",
        formula="mean over frames of |third difference of (yaw, pitch, roll)| x 25³",
        source="ours: third derivative in time, on dawn.features.faces.pose",
        status="own",
        divergences="Landmark noise counts too: hence against the real clip's.",
    ),
    of=head_jerk_of,
    steps=(POSE, LATER),
    paired=False,
    together=POOLED_MEAN,
)

PLACE = 140
METRICS = (FLICKER, HEAD_JERK)
