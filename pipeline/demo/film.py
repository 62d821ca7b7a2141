"""A film to compare by eye and ear: portrait, generated and real video beside each other, with what
mouths and eyes do drawn below, in step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dawn.features.faces.eyes import eye_ratios, mouth_opening
from dawn.features.faces.landmarks import borrow, give_back
from dawn.features.rates import SAMPLES_PER_FRAME
from dawn.features.video.decode import read_frames
from dawn.features.video.encode import ClipWriter
from dawn.features.video.probe import probe

Pictures = NDArray[np.uint8]
Curve = NDArray[np.float32]

SIDE, GAP, TITLE, ROW = 320, 16, 34, 74
"""Pixels: a picture's side, between things, above pictures, and the height of a curve's row."""
WIDTH = 3 * SIDE + 4 * GAP
BACK, INK, FAINT = (17, 19, 24), (232, 234, 240), (88, 94, 106)
COLOURS = {"generated": (255, 159, 67), "real": (84, 190, 255)}
SOUND = (120, 128, 142)
_FINE = 2
"""Drawn this much larger, then reduced: smooth lines."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One video of a film: its RGB frames (T, S, S, 3), and its mouth and eyes, (T,)."""

    pictures: Pictures
    mouth: Curve
    eyes: Curve


def shown(path: Path, frames: int) -> Shown:
    """The first frames of a video of faces, measured by the face mesh; NaN where it sees none."""
    pictures = np.stack(
        [
            cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            for _, picture in read_frames(path, probe(path), 0, frames)
        ]
    )
    mouth, eyes = np.full((2, len(pictures)), np.nan, np.float32)
    mesh = borrow()
    try:
        for number, picture in enumerate(pictures):
            points = mesh.detect(picture)
            if points is not None:
                mouth[number] = mouth_opening(points[None])[0]
                eyes[number] = eye_ratios(points[None])[0].mean()
    finally:
        give_back(mesh)
    return Shown(pictures, mouth, eyes)


def write_film(
    path: Path,
    portrait: Pictures,
    generated: Shown,
    real: Shown,
    sound: NDArray[np.float32],
    titles: Sequence[str] = ("portrait", "generated", "real"),
) -> int:
    """Write the film of the frames that both have; returns how many.

    `portrait` is RGB (S, S, 3), `sound` mono float32 at 16 kHz.
    """
    frames = min(len(generated.pictures), len(real.pictures))
    sound = sound[: frames * SAMPLES_PER_FRAME]
    canvas = _canvas(titles, _rows(generated, real, sound, frames), frames)
    still = cv2.resize(portrait, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    with ClipWriter(path, canvas.shape[0], width=canvas.shape[1]) as writer:
        for number in range(frames):
            picture = canvas.copy()
            beside = (still, generated.pictures[number], real.pictures[number])
            for place, one in enumerate(beside):
                left = GAP + place * (SIDE + GAP)
                picture[TITLE : TITLE + SIDE, left : left + SIDE] = one
            left, right = _extent()
            now = round(left + (right - left) * number / max(1, frames - 1))
            picture[TITLE + SIDE + GAP : -GAP, now : now + 2] = INK
            writer.add(picture)
        writer.add_sound(sound.astype(np.float32))
    return frames


def _rows(
    generated: Shown, real: Shown, sound: NDArray[np.float32], frames: int
) -> Mapping[str, Mapping[str, Curve]]:
    """What is drawn below: row -> line -> curve."""
    padded = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    padded[: len(sound)] = sound
    loudness = np.sqrt(np.square(padded.reshape(frames, -1)).mean(axis=1))
    return {
        "mouth": {"real": real.mouth[:frames], "generated": generated.mouth[:frames]},
        "eyes": {"real": real.eyes[:frames], "generated": generated.eyes[:frames]},
        "voice": {"voice": loudness.astype(np.float32)},
    }


def _extent() -> tuple[int, int]:
    """The curves' left and right end."""
    return GAP + 64, WIDTH - GAP


def _canvas(
    titles: Sequence[str], rows: Mapping[str, Mapping[str, Curve]], frames: int
) -> Pictures:
    """Everything that does not move, (H, W, 3)."""
    height = TITLE + SIDE + GAP + len(rows) * ROW + GAP
    height += height % 2
    image = Image.new("RGB", (WIDTH * _FINE, height * _FINE), BACK)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(17 * _FINE)
    for place, title in enumerate(titles):
        colour = COLOURS.get(("", "generated", "real")[place], INK)
        at = (GAP + place * (SIDE + GAP), TITLE / 2)
        draw.text((at[0] * _FINE, at[1] * _FINE), title, colour, font, anchor="lm")
    left, right = _extent()
    for place, (name, lines) in enumerate(rows.items()):
        top = TITLE + SIDE + GAP + place * ROW
        draw.text((GAP * _FINE, (top + ROW / 2) * _FINE), name, INK, font, anchor="lm")
        low, high = _range(lines)
        for line, curve in lines.items():
            level = (np.clip(curve, low, high) - low) / (high - low)
            xs = left + (right - left) * np.arange(frames) / max(1, frames - 1)
            ys = top + (ROW - 8) - level * (ROW - 16)
            points = np.stack((xs, ys), axis=1) * _FINE
            _draw_line(draw, points, COLOURS.get(line, SOUND))
        base = (top + ROW - 2) * _FINE
        draw.line([(left * _FINE, base), (right * _FINE, base)], FAINT, 1)
    small = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    return np.asarray(small, np.uint8).copy()


def _range(lines: Mapping[str, Curve]) -> tuple[float, float]:
    known = np.concatenate([curve[np.isfinite(curve)] for curve in lines.values()])
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return low, max(high, low + 1e-3)


def _draw_line(
    draw: ImageDraw.ImageDraw, points: NDArray[np.float64], colour: tuple[int, int, int]
) -> None:
    """Broken where the curve is not known."""
    known = np.isfinite(points).all(axis=1)
    for number in range(1, len(points)):
        if known[number - 1] and known[number]:
            draw.line([tuple(points[number - 1]), tuple(points[number])], colour, 2 * _FINE)
