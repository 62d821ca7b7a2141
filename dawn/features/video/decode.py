"""Reading videos: what is in a file, and its frames at exactly 25 a second.

Frames are chosen by their timestamps, never by counting: output frame i is the source frame
shown nearest to i/25 s after the first one. So 23.976, 29.97, 60 fps and variable rates all
land on the same clock, and the sound (see `dawn.features.sound.read`) stays in step.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dawn.features.rates import FPS
from dawn.features.video.extent import Extent
from dawn.features.video.sound_track import sound_track
from manifests.reasons import Quarantine, UnreadableVideoError

# Containers that hold their own media. Playlists and manifests (HLS, DASH, concat) are left
# out: they make FFmpeg open other files that the playlist names.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,mxf,"
    "wav,mp3,flac,aac,h264,hevc,m4v,ivf,nut"
)
_OPEN = {"format_whitelist": FORMATS, "protocol_whitelist": "file,pipe"}

MAX_GAP_S = 1.0
"""A longer hole in the timestamps yields no frames instead of a frozen picture."""

_SEEK_BACK_S = (1 / FPS, 2.0, 10.0, 60.0, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused before any frame is decoded."""

    max_megapixels: float = 40.0
    max_hours: float = 24.0
    min_data_share: float = 0.9
    """Share of the promised duration that the packets must cover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What a file holds, measured from its packets, not believed from its header."""

    container: str
    codec: str
    width: int
    """Upright, with square pixels."""
    height: int
    rotation: int
    """Degrees anticlockwise that turn the stored picture upright: 0, 90, 180 or 270."""
    frame_rate: float
    variable_frame_rate: bool
    start_s: float
    """Time of the first frame on the container's clock; our time 0."""
    duration_s: float
    audio_codec: str | None
    sample_rate: int | None

    @property
    def frames(self) -> int:
        """Frames at 25 fps."""
        return max(1, round(self.duration_s * FPS))


def open_media(path: Path) -> Any:  # noqa: ANN401 - PyAV is untyped
    """The open container. Raises UnreadableVideoError."""
    try:
        # The `file:` prefix keeps FFmpeg from reading a protocol out of a file's name.
        return av.open(f"file:{path.absolute()}", options=_OPEN, metadata_errors="replace")
    except FileNotFoundError as error:
        raise UnreadableVideoError(Quarantine.NOT_FOUND, "the file is gone") from error
    except (av.error.FFmpegError, ValueError, OSError) as error:
        if _lacks_index(path):
            detail = "the MP4 index (moov) is not whole: the file was cut off or never finished"
            raise UnreadableVideoError(Quarantine.TRUNCATED, detail) from error
        detail = f"no video container that is read here (FFmpeg: {_first_line(error)})"
        raise UnreadableVideoError(Quarantine.NOT_A_VIDEO, detail) from error


def probe(path: Path, limits: Limits = Limits()) -> VideoInfo:
    """Measure a file by reading all its packets (no decoding but the first frame).

    Raises UnreadableVideoError with the reason a person can act on.
    """
    with open_media(path) as container:
        stream = _video_stream(container)
        if stream.width * stream.height > limits.max_megapixels * 1e6:
            detail = (
                f"{stream.width}x{stream.height} pixels; the limit is {limits.max_megapixels} MP"
            )
            raise UnreadableVideoError(Quarantine.TOO_LARGE, detail)
        sound = sound_track(container)
        extent = Extent(container, path)
        times = _packet_times(container, stream, extent)
        info = {
            "container": container.format.name,
            "codec": stream.codec_context.name,
            "audio_codec": sound.stream.codec_context.name if sound else None,
            "sample_rate": sound.rate if sound else None,
        }
    if len(times) == 0:
        raise UnreadableVideoError(Quarantine.NO_PICTURE, "the video stream has no packet")
    steps = np.diff(times)
    step = float(np.median(steps)) if len(steps) else 1 / FPS
    duration_s = float(times[-1] - times[0]) + step
    if duration_s > limits.max_hours * 3600:
        detail = f"{duration_s / 3600:.1f} h of frames; the limit is {limits.max_hours:g} h"
        raise UnreadableVideoError(Quarantine.TOO_LONG, detail)
    if extent.cut_off(limits.min_data_share):
        promised_s, held_s = extent.promised, extent.held
        detail = f"the header promises {promised_s:.1f} s, the file ends at {held_s:.1f} s"
        raise UnreadableVideoError(Quarantine.TRUNCATED, detail)
    width, height, rotation = _first_frame_size(path)
    return VideoInfo(
        **info,
        width=width,
        height=height,
        rotation=rotation,
        frame_rate=1 / step if step > 0 else 0.0,
        variable_frame_rate=bool(len(steps)) and float(np.ptp(steps)) > 0.5 * step,
        start_s=float(times[0]),
        duration_s=duration_s,
    )


def read_frames(
    path: Path,
    info: VideoInfo,
    start: int = 0,
    stop: int | None = None,
    max_side: int | None = None,
    memory: "FrameMemory | None" = None,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield `(i, RGB (H, W, 3))` for each 25-fps frame i in [start, stop), upright.

    `max_side` scales larger pictures down to that many pixels on their longer side. `memory` is
    filled by a first reading and spares a second one, of the same frames or some of them, the
    decoding.

    An index is missing where the source has a hole of more than MAX_GAP_S. Raises
    UnreadableVideoError when too many packets are corrupt.
    """
    stop = info.frames if stop is None else min(stop, info.frames)
    upright = _Upright(info, max_side)
    shown: Any = None
    shown_at = 0.0
    index = start
    picture: NDArray[np.uint8] | None = None
    decoded = _decode_from(path, info, start / FPS)
    for frame, at in memory.through(decoded) if memory else decoded:
        gap = shown is not None and at - shown_at > MAX_GAP_S
        until = shown_at + MAX_GAP_S if gap else (shown_at + at) / 2
        while shown is not None and index < stop and index / FPS <= until + 1e-9:
            picture = upright(shown) if picture is None else picture
            yield index, picture
            index += 1
        if gap:
            index = max(index, int(np.ceil((at - 0.5 / FPS) * FPS)))
        if index >= stop:
            return
        shown, shown_at, picture = frame, at, None
    while shown is not None and index < stop and index / FPS <= shown_at + MAX_GAP_S:
        picture = upright(shown) if picture is None else picture
        yield index, picture
        index += 1


class FrameMemory:
    """Decoded frames, as the codec left them, for reading a stretch twice.

    Holds at most `budget` bytes: a stretch that needs more is simply decoded again.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._frames: list[tuple[Any, float]] | None = None

    def through(self, decoded: Iterator[tuple[Any, float]]) -> Iterator[tuple[Any, float]]:
        """Yield the frames that are held, or `decoded` while holding on to them."""
        if self._frames is not None and self._left >= 0:
            yield from self._frames
            return
        self._frames = []
        for frame, at in decoded:
            self._left -= sum(plane.buffer_size for plane in frame.planes)
            if self._left >= 0:
                self._frames.append((frame, at))
            else:
                self._frames.clear()
            yield frame, at


def _decode_from(path: Path, info: VideoInfo, start_s: float) -> Iterator[tuple[Any, float]]:
    """Frames with their times, from a key frame at or before `start_s` on.

    Containers without an index land anywhere, and what is decoded before a key frame is noise:
    then the search begins further back.
    """
    for back in _SEEK_BACK_S:
        begin = max(0.0, start_s - back)
        with open_media(path) as container:
            frames = _decode(container, info, begin)
            first = next((pair for pair in frames if begin == 0 or pair[0].key_frame), None)
            if first is not None and (begin == 0 or first[1] <= start_s):
                yield first
                yield from frames
                return


def _decode(
    container: Any,  # noqa: ANN401 - PyAV is untyped
    info: VideoInfo,
    start_s: float,
) -> Iterator[tuple[Any, float]]:
    """Frames with their times after the first frame, from at or before `start_s` where it can."""
    stream = _video_stream(container)
    stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
    if start_s > 0:
        container.seek(int((info.start_s + start_s) / stream.time_base), stream=stream)
    bad = packets = 0
    last = -1.0
    for packet in container.demux(stream):
        packets += 1
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            bad += 1
            if bad > 5 and bad > 0.1 * packets:
                detail = f"{bad} of the first {packets} packets cannot be decoded"
                raise UnreadableVideoError(Quarantine.CORRUPT, detail) from error
            continue
        except (av.error.FFmpegError, NotImplementedError) as error:
            raise UnreadableVideoError(Quarantine.UNSUPPORTED, _first_line(error)) from error
        for frame in frames:
            at = last + 1 / info.frame_rate if frame.time is None else frame.time - info.start_s
            if at > last:  # a frame that goes back in time would never be shown
                last = at
                yield frame, at


class _Upright:
    """Turns frames into upright RGB pictures with square pixels.

    One converter for all frames, on one thread: left to themselves, frames each set up their own
    with a thread for every core, which costs ten times the conversion.
    """

    def __init__(self, info: VideoInfo, max_side: int | None) -> None:
        scale = min(1.0, (max_side or math.inf) / max(info.width, info.height))
        size = max(1, round(info.width * scale)), max(1, round(info.height * scale))
        self._stored = size[::-1] if info.rotation in (90, 270) else size
        self._turns = info.rotation // 90
        self._converter = VideoReformatter()

    def __call__(self, frame: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - PyAV is untyped
        """RGB (H, W, 3)."""
        width, height = self._stored
        converted = self._converter.reformat(frame, width, height, "rgb24", threads=1)
        picture = cast("NDArray[np.uint8]", converted.to_ndarray())
        return np.rot90(picture, self._turns) if self._turns else picture


def _video_stream(container: Any) -> Any:  # noqa: ANN401 - PyAV is untyped
    """The first stream of moving pictures (a cover image is not one)."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise UnreadableVideoError(Quarantine.UNSUPPORTED, "no decoder for this codec")
            return stream
    raise UnreadableVideoError(Quarantine.NO_PICTURE, "the file has no video stream")


def _packet_times(container: Any, stream: Any, extent: Extent) -> NDArray[np.float64]:  # noqa: ANN401
    """Sorted presentation times of the stream's packets in seconds; `extent` sees those of all
    streams (sound may be longer than the pictures).
    """
    times = []
    untimed = 0
    try:
        for packet in container.demux():
            time = extent.add(packet)
            if packet.stream.index != stream.index:
                continue
            if time is not None:
                times.append(time)
            elif packet.size:
                untimed += 1
    except av.error.FFmpegError as error:
        raise UnreadableVideoError(Quarantine.CORRUPT, _first_line(error)) from error
    if untimed > len(times):
        detail = f"{untimed} of {untimed + len(times)} packets carry no timestamp"
        raise UnreadableVideoError(Quarantine.NO_TIMESTAMPS, detail)
    return np.unique(np.asarray(times, dtype=np.float64))


def _first_frame_size(path: Path) -> tuple[int, int, int]:
    """Upright width and height in square pixels, and the rotation, from the first frame."""
    with open_media(path) as container:
        stream = _video_stream(container)
        try:
            frame = next(container.decode(stream), None)
        except (av.error.FFmpegError, NotImplementedError) as error:
            raise UnreadableVideoError(Quarantine.CORRUPT, _first_line(error)) from error
        if frame is None:
            raise UnreadableVideoError(Quarantine.NO_PICTURE, "no frame can be decoded")
        aspect = float(stream.sample_aspect_ratio or 1)
        rotation = round(frame.rotation / 90) * 90 % 360
        width, height = frame.width, frame.height
        if not 0.98 < aspect < 1.02:
            width = max(1, round(width * aspect))
        return (height, width, rotation) if rotation in (90, 270) else (width, height, rotation)


def _lacks_index(path: Path) -> bool:
    """Whether the file begins as an MP4 but holds no whole `moov` box (walks the top level)."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            position, first = 0, True
            while position + 8 <= size:
                file.seek(position)
                head = file.read(16)
                length, kind = int.from_bytes(head[:4], "big"), head[4:8]
                if first and kind != b"ftyp":
                    return False
                length = int.from_bytes(head[8:16], "big") if length == 1 else length
                if kind == b"moov":
                    return position + length > size
                first, position = False, position + (length if length >= 8 else size)
            return not first
    except OSError:
        return False


def _first_line(error: BaseException) -> str:
    """An FFmpeg error without the path and the number it repeats."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]
