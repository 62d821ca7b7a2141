"""BAS: does the head pause on the beats of the voice? Always beside what chance gives."""

from typing import Literal

from eval.metrics.beats import F64, alignment, audio_beats, chance, head_speed, motion_beats
from eval.metrics.interface import Definition, Excluded, Measure, Reason
from eval.metrics.presence import Number, begin, face_fault, filled, of_one, sound_fault
from eval.metrics.steps import LATER, POSE, SOUND
from eval.protocol.clips import Clip

LEAST_TURN = 12
"""Frames (0.5 s) that beats are turned by at least for the chance level."""

MIN_FRAMES = 50

Beats = tuple[F64, F64]


def beats(clip: Clip) -> Beats | Excluded:
    """Beats of sound and of motion from `skip_first` on, in frames; computed once a clip."""
    return clip.once("beats", lambda: _beats(clip))


def _beats(clip: Clip) -> Beats | Excluded:
    fault = sound_fault(clip) or face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    if clip.frames < MIN_FRAMES:
        return Excluded(Reason.TOO_SHORT)
    skip = begin(clip)
    motion = motion_beats(head_speed(filled(clip.pose[:, :3])[skip:])) + skip
    heard = audio_beats(clip.sound)
    heard = heard[heard >= skip]
    return (heard, motion) if len(heard) else Excluded(Reason.NO_EVENTS)


def _of(clip: Clip, kind: str) -> Number | Excluded:
    found = beats(clip)
    if isinstance(found, Excluded):
        return found
    heard, motion = found
    if kind == "m2a":
        return (alignment(motion, heard), len(motion)) if len(motion) else (0.0, 0)
    level = chance(heard, motion, clip.frames, LEAST_TURN) if kind in ("null", "gain") else 0.0
    if kind == "null":
        return level, len(heard)
    return alignment(heard, motion) - level, len(heard)


def beat_alignment(kind: Literal["a2m", "m2a", "null", "gain"]) -> Measure:
    """From sound to motion, from motion to sound, by chance, or above chance."""
    one = "exp(-d² / 2·3²), d the frames to the nearest"
    title, formula, extra = {
        "a2m": ("BAS (sound to motion)", f"mean over sound beats of {one} motion beat",
                "Bailando's direction. "),
        "m2a": ("BAS (motion to sound)", f"mean over motion beats of {one} sound beat; 0 where the "
                "head has none", "AIST++'s direction. "),
        "null": ("BAS by chance", "bas_a2m of the clip's sound beats turned around the clip by 0.5 "
                 "s or more, mean over all such turns", "Jitter raises both this and `bas_a2m`. "),
        "gain": ("BAS above chance", "bas_a2m - bas_null", "The part that says something. "),
    }[kind]  # fmt: skip
    ours = "ours, on " if kind in ("null", "gain") else ""
    return Measure(
        definition=Definition(
            name=f"bas_{kind}",
            family="Motion",
            headline=kind == "gain",
            title=title,
            direction="closer",
            unit="",
            range="-1 to 1" if kind == "gain" else "0 to 1",
            formula=f"{formula}. Sound beats are onsets: peaks of the rise of log-mel energy. "
            "Motion beats are lulls: minima of the head's angular speed, smoothed by 3 frames",
            source=f"{ours}Bailando (Siyao et al. 2022), AIST++ (Li et al. 2021), on "
            "dawn.features.faces.pose",
            status="own" if kind in ("null", "gain") else "proxy",
            divergences=f"{extra}SadTalker's and DAWN's code was never published. Dance code runs "
            "at 60 frames/s, where 3 frames are 50 ms, and takes the beats of music.",
        ),
        of=of_one(lambda clip: _of(clip, kind), against_real=True),
        steps=(POSE, SOUND, LATER),
        paired=False,
    )


PLACE = 90
METRICS = tuple(beat_alignment(kind) for kind in ("a2m", "m2a", "null", "gain"))
