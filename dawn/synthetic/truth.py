"""What is true of a rendered clip, kept as JSON beside it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shot:
    """A stretch of the clip that shows one identity, in seconds from the clip's start."""

    start: float
    end: float
    identity: int


@dataclass(frozen=True)
class Frames:
    """One value a frame. `time` in seconds; degrees with the signs of `head`; mouth and eye
    in 0..1. All but `time` are empty where there is no face.
    """

    time: tuple[float, ...]
    yaw: tuple[float, ...] = ()
    pitch: tuple[float, ...] = ()
    roll: tuple[float, ...] = ()
    mouth: tuple[float, ...] = ()
    eye: tuple[float, ...] = ()


@dataclass(frozen=True)
class Truth:
    """All there is to know of one clip. A clip that is not `readable` has no frames."""

    kind: str
    description: str
    file: str
    readable: bool
    width: int
    """Upright, in pixels."""
    height: int
    fps: float | None
    """None where frames come at irregular times."""
    seconds: float
    rotation: int
    """Degrees clockwise that a player must turn the stored pixels."""
    has_audio: bool
    audio_delay_ms: int
    """How much later the sound comes than the mouth that speaks it."""
    has_face: bool
    shots: tuple[Shot, ...]
    cut_frames: tuple[int, ...]
    """First frame of every shot but the first."""
    blinks: tuple[tuple[float, float], ...]
    """Start and end of each, in seconds."""
    frames: Frames

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read_truth(path: Path) -> Truth:
    """Read what `Truth.write` wrote."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["shots"] = tuple(Shot(**shot) for shot in fields["shots"])
    fields["cut_frames"] = tuple(fields["cut_frames"])
    fields["blinks"] = tuple((start, end) for start, end in fields["blinks"])
    fields["frames"] = Frames(**{name: tuple(row) for name, row in fields["frames"].items()})
    return Truth(**fields)


def truth_path(video: Path) -> Path:
    """Where a video's truth lies: `clip.mp4` has `clip.truth.json`."""
    return video.with_suffix(".truth.json")
