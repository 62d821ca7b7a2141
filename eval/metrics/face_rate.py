"""In how many frames a face is found: what all other face metrics leave out."""

from eval.metrics.interface import POOLED_MEAN, Definition, Excluded, Measure
from eval.metrics.presence import Number, of_one
from eval.metrics.steps import LANDMARKS
from eval.protocol.clips import Clip


def face_rate(clip: Clip) -> Number | Excluded:
    """Share of frames with a face, and of how many frames."""
    return float(clip.face_found.mean()), clip.frames


FACE_RATE = Measure(
    definition=Definition(
        name="face_rate",
        family="Speed and coverage",
        title="Face found",
        direction="higher",
        unit="",
        range="0 to 1",
        formula="frames in which MediaPipe's mesh finds a face / frames",
        source="ours",
        status="own",
        divergences="Face metrics exclude a clip below 0.5: read them together with this one.",
    ),
    of=of_one(face_rate, against_real=False),
    steps=(LANDMARKS,),
    paired=False,
    together=POOLED_MEAN,
)

PLACE = 180
METRICS = (FACE_RATE,)
