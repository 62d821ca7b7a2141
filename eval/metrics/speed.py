"""Speed: how long it took to make the video, from the run's `generations`."""

import math

from eval.metrics.interface import POOLED_MEAN, Definition, Excluded, Measure, Reason, Value
from eval.metrics.steps import SHARED
from eval.protocol.clips import Pair


def real_time_factor(pair: Pair) -> Value | Excluded:
    """The whole video counts, whatever part of it the protocol looks at."""
    row = pair.generation or {}
    factor, frames = row.get("real_time_factor"), row.get("frames")
    if factor is None or not frames or not math.isfinite(factor):
        return Excluded(Reason.NO_GENERATION)
    return Value(float(factor), n=int(frames))


REAL_TIME_FACTOR = Measure(
    definition=Definition(
        name="real_time_factor",
        family="Speed and coverage",
        headline=True,
        title="RTF",
        direction="lower",
        unit="",
        range="0 and up",
        formula="wall_s / duration_s of the generation, models loaded; the set's is total work "
        "over total duration",
        source="ours; `generations` of the run",
        status="own",
        divergences="Depends on the device, which `generations` names. Many papers count the "
        "network alone.",
    ),
    of=real_time_factor,
    steps=(SHARED,),
    paired=False,
    together=POOLED_MEAN,
    of_run=True,
)

PLACE = 190
METRICS = (REAL_TIME_FACTOR,)
