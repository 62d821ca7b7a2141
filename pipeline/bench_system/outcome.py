"""What came out of a command: a whole video that goes with its voice, or what is wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av

from dawn.features.video.container import first_line

SHARE, SECONDS = 0.05, 0.25
"""By how much a video may be shorter or longer than its voice: the larger of the two. Systems
round to whole windows of a few frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """Of a decoded video."""

    frames: int
    fps: float
    width: int
    height: int

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.frames / self.fps


class NoVideoError(Exception):
    """There is no whole video; `reason` is a code, the message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def look_at(out: Path, voice_s: float) -> Video:
    """Decode a video to its end and hold it against its voice. Raises NoVideoError."""
    if not out.is_file():
        raise NoVideoError("no_video", f"the command ended well and wrote no {out.name}")
    if out.stat().st_size == 0:
        raise NoVideoError("no_video", f"the command left {out.name} empty")
    try:
        video = _decoded(out)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        message = f"{out.name} is no whole video: {first_line(error)}"
        raise NoVideoError("unreadable", message) from None
    if abs(video.seconds - voice_s) > max(SHARE * voice_s, SECONDS):
        raise NoVideoError(
            "other_length",
            f"the video lasts {video.seconds:.2f} s, its voice {voice_s:.2f} s",
        )
    return video


def _decoded(out: Path) -> Video:
    with av.open(str(out)) as container:
        if not container.streams.video:
            raise ValueError("it has no pictures")
        stream = container.streams.video[0]
        rate, promised = stream.average_rate or stream.guessed_rate, stream.frames
        frames = sum(1 for _ in container.decode(stream))
        if not frames or not rate:
            raise ValueError("no frame can be decoded")
        if frames < (1 - SHARE) * promised:
            raise ValueError(f"{frames} of {promised} frames can be decoded")
        return Video(frames=frames, fps=float(rate), width=stream.width, height=stream.height)


def first_frame(out: Path) -> Callable[[], bool]:
    """A function that says whether the file has a frame to show by now; it looks again only when
    the file has grown.
    """
    size = 0

    def shows() -> bool:
        nonlocal size
        try:
            now = out.stat().st_size
            if now in (0, size):
                return False
            size = now
            with av.open(str(out)) as container:
                return next(container.decode(video=0), None) is not None
        except (av.error.FFmpegError, OSError, IndexError, ValueError):
            return False

    return shows
