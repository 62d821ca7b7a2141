"""Blinks a second, and how far their rate is from real people's."""

from dawn.features.faces.blinks import BlinkConfig, find_blinks
from dawn.features.rates import FPS
from eval.metrics.interface import (
    POOLED_DISTANCE,
    POOLED_MEAN,
    Definition,
    Excluded,
    Measure,
    Value,
)
from eval.metrics.presence import Number, begin, face_fault, of_one
from eval.metrics.steps import EYES, LATER
from eval.protocol.clips import Clip, Pair


def blink_rate(clip: Clip) -> Number | Excluded:
    """Blinks a second from `skip_first` on, and over how many frames."""
    fault = face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    eyes = clip.eyes[begin(clip) :]
    blinks = clip.once("blinks", lambda: find_blinks(eyes))
    return len(blinks) * FPS / len(eyes), len(eyes)


def difference(pair: Pair) -> Value | Excluded:
    """Rate of the generated clip less that of the real one: signed, so that pooling is exact."""
    rates = BLINK_RATE.measure(pair)
    if isinstance(rates, Excluded) or rates.reference is None:
        return rates
    return Value(rates.value - rates.reference, None, rates.n)


RULE = BlinkConfig()
_SOURCE = "ours: openness as DAWN's code has it, blinks by dawn.features.faces.blinks"
_OTHERS = (
    "Openness is height over width of the eye by one pair of points, in 3-D, where the EAR of "
    "Soukupova and Cech 2016 has two pairs, in 2-D. Fixed thresholds from 0.2 to 0.33 are common; "
    "ours is relative to the eye when open."
)

BLINK_RATE = Measure(
    definition=Definition(
        name="blink_rate",
        family="Motion",
        headline=True,
        title="Blinks/s",
        direction="closer",
        unit="1/s",
        range="0 and up",
        formula=f"dips of both eyes' mean openness under {RULE.close_below:g} of the open eye's "
        f"(90 % of {RULE.window_seconds:g} s), at least {RULE.min_depth:g} deep and at most "
        f"{RULE.max_frames / FPS:.1f} s wide / seconds; the set's is all blinks / all seconds",
        source=_SOURCE,
        status="own",
        divergences=_OTHERS + " People blink 0.2 to 0.8 times a second as they talk.",
    ),
    of=of_one(blink_rate, against_real=True),
    steps=(EYES, LATER),
    paired=False,
    together=POOLED_MEAN,
)

BLINK_RATE_DISTANCE = Measure(
    definition=Definition(
        name="blink_rate_distance",
        family="Motion",
        title="|Blinks/s - real|",
        direction="lower",
        unit="1/s",
        range="0 and up; a clip's own number is signed",
        formula="|blinks / seconds of all generated clips - the same of all real clips|",
        source=_SOURCE,
        status="own",
        divergences="A clip has few blinks: only the pooled number says something.",
    ),
    of=difference,
    steps=(EYES, LATER),
    paired=False,
    together=POOLED_DISTANCE,
)

PLACE = 100
METRICS = (BLINK_RATE, BLINK_RATE_DISTANCE)
