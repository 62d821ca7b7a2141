"""How a person moves while talking: smooth curves of time, repeatable by seed.

Curves are functions of continuous time, so that truth can be asked at any frame's own moment.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn.synthetic.head import HeadState
from dawn.synthetic.voice import CURVE_RATE

YAW, PITCH, ROLL = 15.0, 8.0, 8.0
"""Largest angles in degrees."""

_LIMITS = (YAW, PITCH, ROLL)
_SHARES = np.array([0.70, 0.20, 0.10])  # of a slow, a middling and a quick swing
_HERTZ = ((0.22, 0.38), (0.45, 0.65), (0.75, 1.0))
_CLOSED, _OPENING = 0.30, 0.50  # when, within a blink, the eye is shut and starts to open


@dataclass(frozen=True)
class Blink:
    """One blink, in seconds."""

    start: float
    end: float

    def closure(self, time: float) -> float:
        """How far the eye is closed at a time, 0..1."""
        part = (time - self.start) / (self.end - self.start)
        down = _smooth(part / _CLOSED)
        up = _smooth((part - _OPENING) / (1 - _OPENING))
        return down - up


@dataclass(frozen=True)
class Motion:
    """One person's movement from time 0 on."""

    hertz: NDArray[np.float64]
    """(3, 3): for yaw, pitch and roll, the rate of each swing."""
    phases: NDArray[np.float64]
    """(3, 3) radians."""
    blinks: tuple[Blink, ...]
    mouth: NDArray[np.float32]
    """Opening in 0..1, 100 values a second."""

    def at(self, time: float) -> HeadState:
        """The head's state at a time in seconds."""
        swings = np.sin(2 * np.pi * self.hertz * time + self.phases)
        yaw, pitch, roll = (float(angle) for angle in swings @ _SHARES * _LIMITS)
        # A curve value stands for the middle of its hundredth of a second.
        place = time * CURVE_RATE - 0.5
        mouth = float(np.interp(place, np.arange(len(self.mouth)), self.mouth))
        closure = max((blink.closure(time) for blink in self.blinks), default=0.0)
        return HeadState(yaw, pitch, roll, mouth, 1.0 - closure)


def make_motion(seconds: float, seed: int, mouth: NDArray[np.float32]) -> Motion:
    """Movement for a shot of this length whose mouth follows the given curve."""
    draw = np.random.default_rng((seed, 0x307E))
    hertz = np.stack([draw.uniform(low, high, 3) for low, high in _HERTZ], axis=-1)
    phases = draw.uniform(0, 2 * np.pi, (3, 3))
    return Motion(hertz, phases, _blinks(seconds, draw), mouth)


def _blinks(seconds: float, draw: np.random.Generator) -> tuple[Blink, ...]:
    """Blinks two to three seconds apart, each over before the shot is."""
    found = []
    start = draw.uniform(0.7, 1.4)
    while (end := start + draw.uniform(0.22, 0.30)) < seconds - 0.25:
        found.append(Blink(round(start, 3), round(end, 3)))
        start += draw.uniform(2.1, 3.1)
    return tuple(found)


def _smooth(part: float) -> float:
    part = min(max(part, 0.0), 1.0)
    return part * part * (3 - 2 * part)
