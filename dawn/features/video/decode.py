"""The frames of a video at exactly 25 a second.

Frames are chosen by their timestamps, never by counting: output frame i is the source frame
shown nearest to i/25 s after the first one. So 23.976, 29.97, 60 fps and variable rates all
land on the same clock, and the sound (see `dawn.features.sound.read`) stays in step. Where the
source shows nothing, or nothing that can be trusted, the index is missing: a clip ends there.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS
from dawn.features.video.avi import Chunks
from dawn.features.video.container import first_line, open_media, packets, video_stream
from dawn.features.video.probe import VideoInfo
from dawn.features.video.seek import entries_before, seek
from dawn.features.video.syntax import Syntax
from dawn.features.video.timeline import Clock, Entry
from dawn.features.video.upright import Deinterlaced, Upright
from manifests.reasons import Quarantine, UnreadableVideoError

_LONGEST_STEP_S = 0.12
_LONGEST_STEP = 3.0
"""A step from one frame to the next that is longer than both, the second in median steps, is a
hole: before it the picture is shown for a median step, not frozen until the next."""

_MOST_REORDERED = 16
"""Frames that a codec may store before one that is shown earlier."""

_MOST_BAD = 0.5
"""Share of packets that cannot be decoded from which a file is given up."""


class Picture(NamedTuple):
    """One frame at 25 fps."""

    number: int
    image: NDArray[np.uint8]
    """RGB (H, W, 3), upright."""
    size: tuple[int, int]
    """Width and height of the whole picture in the source, which `image` may be smaller than."""
    whole: Callable[[], NDArray[np.uint8]]
    """The picture in that size. Ask for it before the next one is read."""


class Shown(NamedTuple):
    """A decoded frame and when it is shown, in seconds on our clock."""

    frame: Any
    at: float
    breaks: bool
    """Whether it does not follow what was shown before: after damage, a restart of the clock or a
    change of the picture's size."""


def read_frames(
    path: Path, info: VideoInfo, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield `(i, RGB (H, W, 3))` for each 25-fps frame i in [start, stop), upright, all of the
    size that `info` has. See `read_pictures`.
    """
    for picture in read_pictures(path, info, start, stop, one_size=True):
        yield picture.number, picture.image


def read_pictures(
    path: Path,
    info: VideoInfo,
    start: int = 0,
    stop: int | None = None,
    *,
    max_side: int | None = None,
    memory: "FrameMemory | None" = None,
    damaged: list[float] | None = None,
    one_size: bool = False,
) -> Iterator[Picture]:
    """Yield the 25-fps frames [start, stop), upright.

    `max_side` scales larger pictures down to that many pixels on their longer side. `memory` is
    filled by a first reading and spares a second one, of the same frames or some of them, the
    decoding. `damaged` is given the times, in seconds, of what was left out because the decoder
    marks it as corrupt or it follows such a frame. `one_size` scales every picture to the first
    one's size.

    An index is missing where the source has a hole, before the first frame that can be decoded,
    and where the pictures do not go on (`Shown.breaks`). Raises UnreadableVideoError when too
    many packets are corrupt.
    """
    stop = info.frames if stop is None else min(stop, info.frames)
    upright = Upright(info.shape, max_side)
    full = upright if max_side is None else Upright(info.shape, None)
    whole = (info.width, info.height)
    step = 1 / info.frame_rate if info.frame_rate else 1 / FPS
    longest = max(_LONGEST_STEP_S, _LONGEST_STEP * step) + 1e-6
    decoded = _decode_from(path, info, start / FPS, damaged)
    shown: Shown | None = None
    index = start
    for following in memory.through(decoded) if memory else decoded:
        first = math.ceil((following.at - 0.5 / FPS) * FPS - 1e-6)
        if shown is None:
            index = max(index, first)
        else:
            hole = following.breaks or following.at - shown.at > longest
            until = shown.at + step - 1e-6 if hole else (shown.at + following.at) / 2 + 1e-9
            size = whole if one_size else upright.size(shown.frame)
            image = None
            until = min(until, following.at)
            while index < stop and index / FPS <= until:
                image = upright(shown.frame, size) if image is None else image
                yield Picture(index, image, size, partial(full, shown.frame, size))
                index += 1
            if hole:
                index = max(index, first, math.floor(until * FPS) + 2)
        if index >= stop:
            return
        shown = following
    if shown is not None:
        size = whole if one_size else upright.size(shown.frame)
        image = upright(shown.frame, size)
        while index < stop and index / FPS <= shown.at + max(step, 1 / FPS) - 1e-6:
            yield Picture(index, image, size, partial(full, shown.frame, size))
            index += 1


class FrameMemory:
    """Decoded frames, as the codec left them, for reading a stretch twice.

    Holds at most `budget` bytes: a stretch that needs more is simply decoded again.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._frames: list[Shown] | None = None

    def through(self, decoded: Iterator[Shown]) -> Iterator[Shown]:
        """Yield the frames that are held, or `decoded` while holding on to them."""
        if self._frames is not None and self._left >= 0:
            yield from self._frames
            return
        self._frames = []
        for shown in decoded:
            self._left -= sum(plane.buffer_size for plane in shown.frame.planes)
            if self._left >= 0:
                self._frames.append(shown)
            else:
                self._frames.clear()
            yield shown


def _decode_from(
    path: Path, info: VideoInfo, start_s: float, damaged: list[float] | None
) -> Iterator[Shown]:
    """Frames from a key frame at or before `start_s` on.

    Containers without an index land anywhere, and what is decoded before a key frame is noise:
    then the search begins further back.
    """
    damaged = [] if damaged is None else damaged
    before = len(damaged)
    for entry in entries_before(info, start_s):
        del damaged[before:]
        with open_media(path) as container:
            frames = _undamaged(container, info, entry, damaged)
            first = next(frames, None)
            if entry.at > 0 and (first is None or first.at > start_s):
                continue
            if first is not None:
                yield from _deinterlaced(itertools.chain([first], frames), info)
            return


def _deinterlaced(frames: Iterator[Shown], info: VideoInfo) -> Iterator[Shown]:
    if not info.interlaced:
        yield from frames
        return
    filtered = Deinterlaced()
    for shown in frames:
        if shown.breaks:
            yield from (old._replace(frame=frame) for frame, old in filtered.rest())
        yield from (old._replace(frame=frame) for frame, old in filtered(shown.frame, shown))
    yield from (old._replace(frame=frame) for frame, old in filtered.rest())


def _undamaged(
    container: Any,  # noqa: ANN401 - PyAV is untyped
    info: VideoInfo,
    entry: Entry,
    damaged: list[float],
) -> Iterator[Shown]:
    """Frames on our clock without those that the decoder marks as corrupt and what follows them up
    to the next key frame: decoders conceal damage and carry it on. The times of what is left out
    go to `damaged`.
    """
    clock = Clock(info.stretches, entry.stretch)
    whole = entry.at == 0  # elsewhere a key frame must come first
    started = breaks = False
    last, stretch, size = -1.0, entry.stretch, (0, 0)
    for frame, raw, corrupt in _decode(container, info, entry):
        if frame is None:
            at = clock.peek(raw)
        else:
            at = clock(raw)
            whole = not corrupt and (whole or frame.key_frame)
        if frame is None or not whole:
            breaks = started
            if started or entry.at == 0:
                damaged.append(at)
        elif at > last:  # a frame that goes back in time would never be shown
            here = frame.width, frame.height
            breaks = breaks or (started and (clock.stretch, *here) != (stretch, *size))
            yield Shown(frame, at, breaks)
            last, stretch, size, started, breaks = at, clock.stretch, here, True, False


def _decode(
    container: Any,  # noqa: ANN401 - PyAV is untyped
    info: VideoInfo,
    entry: Entry,
) -> Iterator[tuple[Any, float, bool]]:
    """Frames with the container's time and whether they are corrupt, from `entry` on or near it;
    None stands for a packet that cannot be decoded.
    """
    stream = video_stream(container)
    stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
    stream.codec_context.options = {"err_detect": "explode"}  # an error, not a concealed frame
    seek(container, stream, info, entry)
    order = _InOrder(_MOST_REORDERED if info.by_decoding else 0)
    bad = seen = 0
    damage = _Damage()
    syntax = Syntax(stream.codec.name, stream.codec_context.extradata or b"")
    chunks = Chunks(Path(container.name.removeprefix("file:"))) if info.container == "avi" else None
    decoded: dict[int, int] = {}  # when the packet of a frame is decoded, and the delay from then
    lead: int | None = None
    raw = info.stretches[entry.stretch].raw - 1 / FPS
    for packet in packets(container, stream):
        seen += 1
        damage.see(packet)
        lost = chunks is not None and chunks.lost_before(packet) and not packet.is_keyframe
        if syntax.broken(bytes(packet), key=packet.is_keyframe) or lost:
            damage.begin(packet)
        if info.by_decoding and packet.pts is not None:
            at = packet.pts if packet.dts is None else packet.dts
            lead = packet.pts - at if lead is None else lead
            decoded[packet.pts] = at + lead
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            bad += 1
            if bad > 5 and bad > _MOST_BAD * seen:
                detail = f"{bad} of the first {seen} packets cannot be decoded"
                raise UnreadableVideoError(Quarantine.CORRUPT, detail) from error
            damage.begin(packet)
            yield None, raw, True
            continue
        except (av.error.FFmpegError, NotImplementedError) as error:
            raise UnreadableVideoError(Quarantine.UNSUPPORTED, first_line(error)) from error
        for frame in frames:
            stamp = decoded.pop(frame.pts, None) if info.by_decoding else frame.pts
            raw = raw + 1 / info.frame_rate if stamp is None else float(stamp * frame.time_base)
            yield from order.add(frame, raw, damage.touches(frame))
    yield from order.rest()


class _Damage:
    """Which frames depend on a damaged packet: those of it and of all that follow it in the file,
    up to the next key frame.
    """

    def __init__(self) -> None:
        self._spreads = False
        self._touched: set[int] = set()

    def see(self, packet: Any) -> None:  # noqa: ANN401 - PyAV is untyped
        """A packet that goes to the decoder."""
        if packet.is_keyframe:
            self._spreads = False
        if packet.is_corrupt or self._spreads:
            self.begin(packet)

    def begin(self, packet: Any) -> None:  # noqa: ANN401
        """A packet is damaged."""
        self._spreads = True
        if packet.pts is not None:
            self._touched.add(packet.pts)

    def touches(self, frame: Any) -> bool:  # noqa: ANN401
        """Whether a frame that the decoder gives is damaged."""
        touched = frame.pts in self._touched
        self._touched.discard(frame.pts)
        return touched or bool(frame.is_corrupt)


class _InOrder:
    """Gives frames, which come in the order in which they are shown, their times in order.

    Containers without presentation times (AVI) tell when a frame is decoded; a frame then carries
    the time of another one near by.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[tuple[Any, bool]] = deque()
        self._times: list[float] = []

    def add(self, frame: Any, raw: float, corrupt: bool) -> Iterator[tuple[Any, float, bool]]:  # noqa: ANN401
        """Take a frame; yields those whose time is known."""
        self._waiting.append((frame, corrupt))
        heapq.heappush(self._times, raw)
        while len(self._waiting) > self._most:
            yield self._next()

    def rest(self) -> Iterator[tuple[Any, float, bool]]:
        """The frames that were held back."""
        while self._waiting:
            yield self._next()

    def _next(self) -> tuple[Any, float, bool]:
        frame, corrupt = self._waiting.popleft()
        return frame, heapq.heappop(self._times), corrupt
