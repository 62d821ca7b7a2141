"""A generated clip and the real one, or one alone, as a small video that a page holds inside."""

import base64
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS
from dawn.features.video.encode import ClipWriter
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings
from manifests.reasons import UnreadableVideoError

SIZE = 256
"""Side of each picture, in pixels."""
SECONDS = 8.0
"""Longer clips are cut: a page holds its videos inside."""
_CRF, _JPEG = 28, 70


@dataclass(frozen=True, slots=True)
class Shown:
    """The video and its first picture as `data:` addresses, or why there is none."""

    source: str | None
    fault: str | None
    seconds: float = 0.0
    cut: bool = False
    """Whether the clip lasts longer than what is shown."""
    poster: str | None = None


def side_by_side(generated: Path | None, real: Path | None) -> Shown:
    """Generated on the left with its sound, real on the right; where one cannot be had its half
    is grey, and `fault` says why. Without a generated video there is none.
    """
    if generated is None:
        return Shown(None, "no video was made for this clip")
    fault, right = None, None
    try:
        right = _clip(real) if real is not None else None
    except UnreadableVideoError as error:
        fault = f"the real clip {Path(str(real)).name}: {error.detail}"
    return _shown(generated, right, 2, fault)


def alone(video: Path | str | None) -> Shown:
    """One video by itself; a text says why there is none."""
    if not isinstance(video, Path):
        return Shown(None, video or "no video was made for this clip")
    return _shown(video, None, 1, None)


def _shown(video: Path, right: Clip | None, across: int, fault: str | None) -> Shown:
    try:
        left = _clip(video)
        content, first = _encoded(left, right, across)
    except UnreadableVideoError as error:
        return Shown(None, f"{video.name}: {error.detail}")
    address = "data:video/mp4;base64," + base64.b64encode(content).decode("ascii")
    seconds, cut = left.frames / FPS, left.info.frames > left.frames
    return Shown(address, fault, seconds, cut, _poster(first))


def _clip(video: Path) -> Clip:
    frames = round(SECONDS * FPS)
    return Clip(video, ClipSettings(card=ProtocolCard(name="page", size=SIZE, max_frames=frames)))


def _encoded(left: Clip, right: Clip | None, across: int) -> tuple[bytes, NDArray[np.uint8]]:
    """The file, and its first picture."""
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    pictures = (picture for chunk in right.chunks() for picture in chunk) if right else iter(())
    first = np.tile(grey, (1, across, 1))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip.mp4"
        with ClipWriter(file, SIZE, width=across * SIZE, crf=_CRF) as writer:
            frames = (picture for chunk in left.chunks() for picture in chunk)
            for number, picture in enumerate(frames):
                whole = [picture, *([next(pictures, grey)] if across > 1 else [])]
                joined = np.concatenate(whole, axis=1)
                first = joined if number == 0 else first
                writer.add(joined)
            writer.add_sound(left.sound[: left.frames * 640])
        return file.read_bytes(), first


def _poster(picture: NDArray[np.uint8]) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG]
    _, content = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode("ascii")
