"""The footage: a set of short clips that between them hold what real footage holds.

Every clip has its truth (`truth.Truth`) as JSON beside it. Rendering is deterministic: the same
seed gives the same decoded frames.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from dawn.synthetic.encode import mark_turned, write_video
from dawn.synthetic.head import render
from dawn.synthetic.identity import Identity, make_identity
from dawn.synthetic.motion import Motion, make_motion
from dawn.synthetic.portrait import FRAME_HEIGHT, FRAME_WIDTH
from dawn.synthetic.truth import Frames, Shot, Truth, truth_path
from dawn.synthetic.voice import RATE, mouth_curve, speak

SECONDS = 5.5
"""How long a clip is unless told otherwise."""


@dataclass(frozen=True)
class Kind:
    """One sort of clip."""

    name: str
    description: str
    rate: Fraction | None = Fraction(25)
    """Frames a second; None for irregular times."""
    people: tuple[int, ...] = (0,)
    """Identity seeds, one a shot; none for a clip without a face."""
    turned: bool = False
    """Stored a quarter turn off, with a display matrix that sets it upright."""
    sound: bool = True
    delay_ms: int = 0
    """How much later the sound comes than the mouth."""
    damage: Literal["", "truncated", "text"] = ""


_KINDS = (
    Kind("plain", "25 fps, one person"),
    Kind("ntsc", "29.97 fps", Fraction(30000, 1001), (1,)),
    Kind("variable", "variable frame rate, irregular timestamps", None, (2,)),
    Kind("rotated", "stored sideways with a rotation flag", people=(3,), turned=True),
    Kind("cut", "two people across a hard cut", people=(4, 5)),
    Kind("silent", "no audio track", people=(6,), sound=False),
    Kind("faceless", "moving shapes and a voice, no face", people=()),
    Kind("delayed", "sound 200 ms later than the mouth", people=(7,), delay_ms=200),
    Kind("second", "25 fps, another person", people=(8,)),
    Kind("truncated", "a download that stopped half way", people=(0,), damage="truncated"),
    Kind("text", "a text file named .mp4", people=(), damage="text"),
)
_TICK = Fraction(1, 1000)  # the time base of irregular frames
_STEPS_MS = (20, 30, 33, 40, 47, 60, 75)


@dataclass(frozen=True)
class _Part:
    """A shot: who, how they move, what they say, and from when to when."""

    identity: Identity
    motion: Motion
    voice: NDArray[np.float32]
    start: float
    end: float


def footage_kinds() -> tuple[Kind, ...]:
    """The kinds of clip, in the order `write_footage` writes them."""
    return _KINDS


def write_footage(
    folder: Path,
    *,
    seconds: float = SECONDS,
    seed: int = 0,
    kinds: Sequence[str] | None = None,
) -> list[Path]:
    """Write one clip of every kind (or of those named) and its truth; returns the videos."""
    chosen = [kind for kind in _KINDS if kinds is None or kind.name in kinds]
    unknown = set(kinds or ()) - {kind.name for kind in chosen}
    if unknown:
        raise ValueError(f"no such footage: {', '.join(sorted(unknown))}")
    folder.mkdir(parents=True, exist_ok=True)
    return [
        render_clip(folder / f"{kind.name}.mp4", kind, seconds=seconds, seed=seed)
        for kind in chosen
    ]


def render_clip(path: Path, kind: Kind, *, seconds: float = SECONDS, seed: int = 0) -> Path:
    """Write one clip and, beside it, its truth."""
    if kind.damage == "text":
        path.write_text("This is not a video.\n", encoding="utf-8")
        _damaged(path, kind).write(truth_path(path))
        return path
    times, base = _times(kind, seconds, seed)
    parts = _cast(kind, times, seconds, seed)
    take = _take(kind, seed, 0)
    voices = [part.voice for part in parts] or [speak(seconds, take)]
    pictures = _pictures(parts, times) if parts else _shapes(times, take)
    if kind.turned:
        pictures = (np.rot90(picture) for picture in pictures)
    write_video(path, pictures, times, base, _late(voices, kind.delay_ms) if kind.sound else None)
    if kind.turned:
        mark_turned(path)
    truth = _truth(path, kind, parts, times, seconds)
    if kind.damage == "truncated":
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        truth = _damaged(path, kind)
    truth.write(truth_path(path))
    return path


def _cast(kind: Kind, times: Sequence[Fraction], seconds: float, seed: int) -> list[_Part]:
    """The clip's shots, of equally many frames."""
    count = len(kind.people)
    bounds = [float(times[len(times) * shot // count]) for shot in range(count)] + [seconds]
    parts = []
    for shot, person in enumerate(kind.people):
        start, end = bounds[shot], bounds[shot + 1]
        take = _take(kind, seed, shot)
        identity = make_identity(person)
        voice = speak(end - start, take, pitch_hz=identity.pitch_hz, tract=identity.tract)
        motion = make_motion(end - start, take, mouth_curve(voice))
        parts.append(_Part(identity, motion, voice, start, end))
    return parts


def _take(kind: Kind, seed: int, shot: int) -> int:
    """The seed of one shot's voice and movement."""
    return crc32(f"{seed}/{kind.name}/{shot}".encode())


def _times(kind: Kind, seconds: float, seed: int) -> tuple[list[Fraction], Fraction]:
    """When each frame is shown, and the time base that holds these times exactly."""
    if kind.rate is not None:
        base = 1 / kind.rate
        return [base * index for index in range(int(Fraction(seconds) / base))], base
    draw = np.random.default_rng((seed, 0x7153))
    steps = draw.choice(_STEPS_MS, size=round(seconds * 1000) // min(_STEPS_MS))
    moments = np.concatenate([[0], np.cumsum(steps)])
    return [int(moment) * _TICK for moment in moments if moment < seconds * 1000], _TICK


def _late(voices: list[NDArray[np.float32]], delay_ms: int) -> NDArray[np.float32]:
    """The shots' voices one after the other, late by the delay, of unchanged length."""
    whole = np.concatenate(voices)
    late = RATE * delay_ms // 1000
    return np.concatenate([np.zeros(late, np.float32), whole[: len(whole) - late]])


def _pictures(parts: list[_Part], times: Sequence[Fraction]) -> Iterator[NDArray[np.uint8]]:
    for time in map(float, times):
        part = _shown(parts, time)
        yield render(part.identity, part.motion.at(time - part.start))


def _shown(parts: list[_Part], time: float) -> _Part:
    """The shot on screen at a time."""
    return next(part for part in reversed(parts) if time >= part.start)


def _shapes(times: Sequence[Fraction], seed: int) -> Iterator[NDArray[np.uint8]]:
    """Drifting colour waves, in which no face can be found."""
    draw = np.random.default_rng((seed, 0x5EA))
    ys, xs = np.mgrid[0:FRAME_HEIGHT, 0:FRAME_WIDTH].astype(np.float32)
    waves = draw.uniform(-0.05, 0.05, (3, 3, 2)).astype(np.float32)
    speeds = draw.uniform(-2.5, 2.5, (3, 3)).astype(np.float32)
    fixed = np.einsum("cwk,khx->cwhx", waves, np.stack([xs, ys]))
    for time in map(np.float32, times):
        field = np.sin(fixed + time * speeds[..., None, None]).mean(axis=1)
        yield np.round(128 + 100 * field).astype(np.uint8).transpose(1, 2, 0)


def _truth(
    path: Path,
    kind: Kind,
    parts: list[_Part],
    times: Sequence[Fraction],
    seconds: float,
) -> Truth:
    moments = tuple(map(float, times))
    frames = Frames(time=moments)
    if parts:
        shown = [_shown(parts, time) for time in moments]
        states = [
            part.motion.at(time - part.start) for part, time in zip(shown, moments, strict=True)
        ]
        frames = Frames(
            time=moments,
            yaw=tuple(state.yaw for state in states),
            pitch=tuple(state.pitch for state in states),
            roll=tuple(state.roll for state in states),
            mouth=tuple(state.mouth for state in states),
            eye=tuple(state.eye for state in states),
        )
    return Truth(
        kind=kind.name,
        description=kind.description,
        file=path.name,
        readable=True,
        width=FRAME_WIDTH,
        height=FRAME_HEIGHT,
        fps=None if kind.rate is None else float(kind.rate),
        seconds=seconds,
        rotation=90 if kind.turned else 0,
        has_audio=kind.sound,
        audio_delay_ms=kind.delay_ms,
        has_face=bool(parts),
        shots=tuple(Shot(part.start, part.end, part.identity.seed) for part in parts),
        cut_frames=tuple(moments.index(part.start) for part in parts[1:]),
        blinks=tuple(
            (part.start + blink.start, part.start + blink.end)
            for part in parts
            for blink in part.motion.blinks
        ),
        frames=frames,
    )


def _damaged(path: Path, kind: Kind) -> Truth:
    """The truth of a file that cannot be read."""
    empty = _truth(path, replace(kind, sound=False), [], [], 0.0)
    return replace(empty, readable=False, fps=None, width=0, height=0)
