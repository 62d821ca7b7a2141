"""What numbers stand on: the steps from a video to a number.

A step names what decides its result: its own version, the card's fields it reads, the libraries
that do its work, and the steps before it. A metric lists the steps it begins from, so that the
hash of its conditions holds what made its numbers and nothing else.

Of libraries those count that carry models, decode, resample or run networks: their releases move
numbers. NumPy and SciPy do arithmetic, which their releases change by rounding only.
"""

import functools
import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass

import cv2


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; `name` is stable and no other step's."""

    name: str
    version: int = 1
    """Goes up whenever the same input would give something else."""
    card: tuple[str, ...] = ()
    """Fields of the protocol card that it reads."""
    libraries: tuple[str, ...] = ()
    """Distributions, as pip names them."""
    after: tuple["Step", ...] = ()


SHARED = Step(name="shared frames", card=("fps", "max_frames", "min_frames"))
"""Which frames of a pair are looked at, and whether they are enough. All metrics begin here."""
LATER = Step(name="frames from skip_first on", card=("skip_first",), after=(SHARED,))
PICTURES = Step(
    name="pictures",
    card=("size", "crop", "codec"),
    libraries=("av", "opencv"),
    after=(SHARED,),
)
SAMPLED = Step(name="sampled pictures", card=("skip_first", "stride"), after=(PICTURES,))
SOURCE = Step(name="source image", libraries=("mediapipe", "pillow"), after=(PICTURES,))
SOUND = Step(name="sound", libraries=("av",), after=(SHARED,))
LANDMARKS = Step(name="landmarks", libraries=("mediapipe",), after=(PICTURES,))
POSE = Step(name="head pose", after=(LANDMARKS,))
EYES = Step(name="eyes", after=(LANDMARKS,))
MOUTH = Step(name="mouth", after=(LANDMARKS,))


def all_steps(first: Iterable[Step]) -> dict[str, Step]:
    """These steps and all before them, by name."""
    found: dict[str, Step] = {}
    for step in first:
        found |= {step.name: step} | all_steps(step.after)
    return dict(sorted(found.items()))


_BUILDS = {"onnxruntime": ("onnxruntime-gpu",)}
"""Distributions of a library's builds that are installed in its place."""


@functools.cache
def installed(library: str) -> str:
    """The version of a library that is installed here, `absent` where it is not.

    Without a local label: 2.13.0+cpu and 2.13.0+cu130 are builds of one source, whose networks
    agree to rounding.
    """
    if library == "opencv":  # of several distributions that carry it, the one that is imported
        return str(cv2.__version__)
    for name in (library, *_BUILDS.get(library, ())):
        try:
            return importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return "absent"
