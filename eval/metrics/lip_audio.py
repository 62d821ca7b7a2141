"""Do the lips move with the sound: correlation of mouth opening and loudness, and its lag."""

import numpy as np
from numpy.typing import NDArray

from eval.metrics.interface import MEDIAN, Definition, Excluded, Measure, Reason
from eval.metrics.lag import MIN_SHARED, lagged_correlation, offset_of, speech_loudness
from eval.metrics.presence import (
    Number,
    begin,
    face_fault,
    filled,
    loudness,
    of_one,
    sound_fault,
)
from eval.metrics.steps import LATER, MOUTH, SOUND
from eval.protocol.clips import Clip

F64 = NDArray[np.float64]


def correlation(clip: Clip) -> F64 | Excluded:
    """See `lagged_correlation`; computed once a clip."""
    return clip.once("lip-audio", lambda: _correlation(clip))


def _correlation(clip: Clip) -> F64 | Excluded:
    fault = sound_fault(clip) or face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    if clip.frames - begin(clip) < MIN_SHARED + 10:
        return Excluded(Reason.TOO_SHORT)
    mouth = filled(clip.mouth)[begin(clip) :]
    levels = speech_loudness(loudness(clip))[begin(clip) :]
    if np.std(mouth) < 1e-4:
        return Excluded(Reason.FROZEN)
    if np.std(levels) < 1e-3:
        return Excluded(Reason.NO_EVENTS)
    return lagged_correlation(mouth, levels)


def lip_audio_corr(clip: Clip) -> Number | Excluded:
    """Correlation without shifting."""
    found = correlation(clip)
    return found if isinstance(found, Excluded) else (float(found[len(found) // 2]), 1)


def lip_audio_lag(clip: Clip) -> Number | Excluded:
    """Offset of the highest correlation in frames: positive, the sound leads."""
    found = correlation(clip)
    return found if isinstance(found, Excluded) else (float(offset_of(found)), 1)


_FORMULA = (
    "r(k) = Pearson's correlation over frames of mouth(t), the gap of the inner lips over the "
    "distance of the outer eye corners, with loudness(t + k) in dB, at most 30 dB under the loud "
    "parts; both smoothed by a Gaussian of one frame"
)

LIP_AUDIO_CORR = Measure(
    definition=Definition(
        name="lip_audio_corr",
        family="Lip sync",
        headline=True,
        title="Lip-audio correlation",
        direction="closer",
        unit="",
        range="-1 to 1",
        formula=f"r(0); {_FORMULA}",
        source="ours; no network but the face mesh",
        status="own",
        divergences="Five real clips had -0.3 to 0.6: a mouth that only follows loudness has more.",
    ),
    of=of_one(lip_audio_corr, against_real=True),
    steps=(MOUTH, SOUND, LATER),
    paired=False,
)

LIP_AUDIO_LAG = Measure(
    definition=Definition(
        name="lip_audio_lag",
        family="Lip sync",
        title="Lip-audio lag",
        direction="closer",
        unit="frames",
        range="-15 to 15; positive: the sound leads the picture",
        formula=f"-argmax_k r(k), k from -15 to 15; {_FORMULA}. The set's is the clips' median",
        source="ours; the sign is SyncNet's",
        status="own",
        divergences="Single clips can be wild: of five real ones three peak within 2 frames of 0, "
        "two at the end of the range. Take many, and hold them against the real clips'. It is no "
        "SyncNet, but needs none.",
    ),
    of=of_one(lip_audio_lag, against_real=True),
    steps=(MOUTH, SOUND, LATER),
    paired=False,
    together=MEDIAN,
)

PLACE = 70
METRICS = (LIP_AUDIO_CORR, LIP_AUDIO_LAG)
