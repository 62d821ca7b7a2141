"""A generated clip and the real one in one small video that a page can hold inside."""

import base64
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dawn.features.rates import FPS
from dawn.features.video.encode import ClipWriter
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings
from manifests.reasons import UnreadableVideoError

SIZE = 192
"""Side of each picture, in pixels."""
SECONDS = 8.0
"""Longer clips are cut: a page holds its videos inside."""
_CRF = 27


@dataclass(frozen=True, slots=True)
class Shown:
    """The video as a `data:` address, or why there is none."""

    source: str | None
    fault: str | None
    seconds: float = 0.0
    cut: bool = False
    """Whether the clip lasts longer than what is shown."""


def side_by_side(generated: Path | None, real: Path | None) -> Shown:
    """Generated on the left with its sound, real on the right; where one cannot be had its half
    is grey, and `fault` says why. Without a generated video there is none.
    """
    if generated is None:
        return Shown(None, "no video was made for this clip")
    try:
        left = _clip(generated)
    except UnreadableVideoError as error:
        return Shown(None, f"{generated.name}: {error.detail}")
    fault, right = None, None
    try:
        right = _clip(real) if real is not None else None
    except UnreadableVideoError as error:
        fault = f"the real clip {Path(str(real)).name}: {error.detail}"
    try:
        content = _encoded(left, right)
    except UnreadableVideoError as error:
        return Shown(None, f"{generated.name}: {error.detail}")
    address = "data:video/mp4;base64," + base64.b64encode(content).decode("ascii")
    return Shown(address, fault, left.frames / FPS, left.info.frames > left.frames)


def _clip(video: Path) -> Clip:
    frames = round(SECONDS * FPS)
    return Clip(video, ClipSettings(card=ProtocolCard(name="page", size=SIZE, max_frames=frames)))


def _encoded(left: Clip, right: Clip | None) -> bytes:
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    pictures = (picture for chunk in right.chunks() for picture in chunk) if right else iter(())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip.mp4"
        with ClipWriter(file, SIZE, width=2 * SIZE, crf=_CRF) as writer:
            for chunk in left.chunks():
                for picture in chunk:
                    writer.add(np.concatenate([picture, next(pictures, grey)], axis=1))
            writer.add_sound(left.sound[: left.frames * 640])
        return file.read_bytes()
