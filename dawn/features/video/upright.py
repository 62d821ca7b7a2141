"""Decoded frames to upright RGB pictures with square pixels, in the colours of BT.709."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dawn.features.video.color import needs_conversion, to_bt709

_DISPLAY_MATRIX = "DISPLAYMATRIX"


class Orientation(NamedTuple):
    """How a stored picture is set upright: mirrored left to right first, then turned."""

    mirrored: bool = False
    rotation: int = 0
    """Degrees anticlockwise: 0, 90, 180 or 270."""

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A stored picture (H, W, 3) upright; (W, H, 3) after a quarter turn."""
        picture = picture[:, ::-1] if self.mirrored else picture
        turns = self.rotation // 90
        return np.rot90(picture, turns) if turns else picture


def orientation_of(frame: Any) -> Orientation:  # noqa: ANN401 - PyAV is untyped
    """What the display matrix of a frame asks for, to the nearest quarter turn."""
    for data in frame.side_data:
        if data.type.name == _DISPLAY_MATRIX:
            a, b, _, c, d, *_ = (float(x) for x in np.frombuffer(bytes(data), "<i4"))
            # A point of the picture goes to (a x + c y, b x + d y), y pointing down.
            mirrored = a * d - b * c < 0
            across, down = (-a, -b) if mirrored else (a, b)
            rotation = round(math.degrees(math.atan2(-down, across)) / 90) * 90 % 360
            return Orientation(mirrored, rotation)
    return Orientation()


@dataclass(frozen=True, slots=True)
class Shape:
    """How the pictures of a file are shown."""

    aspect: float
    """Width over height of a stored pixel."""
    orientation: Orientation

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height, upright and with square pixels, of a stored picture."""
        if not 0.98 < self.aspect < 1.02:
            width = max(1, round(width * self.aspect))
        return (height, width) if self.orientation.rotation in (90, 270) else (width, height)


class Upright:
    """Turns frames into pictures.

    One converter for all frames, on one thread: left to themselves, frames each set up their own
    with a thread for every core, which costs ten times the conversion.
    """

    def __init__(self, shape: Shape, max_side: int | None) -> None:
        self._shape, self._max_side = shape, max_side
        self._converter = VideoReformatter()

    def size(self, frame: Any) -> tuple[int, int]:  # noqa: ANN401 - PyAV is untyped
        """Width and height of the whole picture that a frame shows."""
        return self._shape.size(frame.width, frame.height)

    def __call__(self, frame: Any, size: tuple[int, int]) -> NDArray[np.uint8]:  # noqa: ANN401
        """RGB (H, W, 3) of a frame, as if its whole picture were of that width and height."""
        scale = min(1.0, (self._max_side or math.inf) / max(size))
        width, height = (max(1, round(side * scale)) for side in size)
        if self._shape.orientation.rotation in (90, 270):
            width, height = height, width
        return self._shape.orientation.apply(self._rgb(frame, width, height))

    def _rgb(self, frame: Any, width: int, height: int) -> NDArray[np.uint8]:  # noqa: ANN401
        transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
        wide = needs_conversion(transfer, primaries)
        converted = self._converter.reformat(
            frame, width, height, "rgb48le" if wide else "rgb24", threads=1
        )
        picture: Any = converted.to_ndarray()
        rgb: NDArray[np.uint8] = to_bt709(picture, transfer, primaries) if wide else picture
        return rgb


class Deinterlaced:
    """Makes whole pictures of the two half pictures in each interlaced frame, at the same rate.

    FFmpeg's bwdif looks at the frames before and after; frames that are not marked as interlaced
    pass as they are.
    """

    def __init__(self) -> None:
        self._graph: Any = None
        self._format: tuple[object, ...] = ()
        self._waiting: deque[Any] = deque()

    def __call__(self, frame: Any, what: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
        """Take a frame and what belongs to it; yields pairs that are ready, one frame later."""
        kind = (frame.width, frame.height, frame.format.name)
        if kind != self._format:
            yield from self.rest()
            self._format, self._graph = kind, _graph(frame)
        self._waiting.append(what)
        self._graph.push(frame)
        yield from self._ready()

    def rest(self) -> Iterator[tuple[Any, Any]]:
        """The pairs that were held back."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()
        self._graph, self._format = None, ()
        self._waiting.clear()

    def _ready(self) -> Iterator[tuple[Any, Any]]:
        while self._waiting:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield frame, self._waiting.popleft()


def _graph(frame: Any) -> Any:  # noqa: ANN401
    graph = av.filter.Graph()
    graph.threads = 1
    begin = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base,
    )
    middle = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    end = graph.add("buffersink")
    begin.link_to(middle)
    middle.link_to(end)
    graph.configure()
    return graph
