"""What is in a video file, measured from its packets and its first frame."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from dawn.features.rates import FPS
from dawn.features.video.container import first_line, open_media, packets, video_stream
from dawn.features.video.extent import Extent
from dawn.features.video.promise import missing_share
from dawn.features.video.sound_track import sound_track
from dawn.features.video.timeline import Entry, StreamTimes, Stretch, stretches_of
from dawn.features.video.upright import Orientation, Shape, orientation_of
from manifests.reasons import Quarantine, UnreadableVideoError

_ENTERED_BY_BYTE = ("mpegts", "mpeg")
"""Containers that can be read from any byte on."""

_REORDERING_SHOWS_IN = 64
"""Frames within which a codec that reorders frames does so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused before any frame is decoded."""

    max_megapixels: float = 40.0
    max_hours: float = 24.0
    min_data_share: float = 0.9
    """Share of what the header promises, in seconds and in bytes, that must be there. MPEG-TS and
    MPEG-PS promise nothing but whole packets: of a file that ends inside one, nothing counts as
    there. 0 takes what there is of any file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What a file holds, measured from its packets, not believed from its header."""

    container: str
    codec: str
    width: int
    """Upright, with square pixels: of the first frame, which later ones may differ from."""
    height: int
    rotation: int
    """Degrees anticlockwise that turn the stored picture upright: 0, 90, 180 or 270."""
    mirrored: bool
    """Whether it is mirrored, left to right, before it is turned."""
    pixel_aspect: float
    transfer: str
    """Transfer characteristics as named in H.273: bt709, smpte2084 (PQ), arib_std_b67 (HLG)."""
    interlaced: bool
    frame_rate: float
    variable_frame_rate: bool
    stretches: tuple[Stretch, ...]
    """Of the container's clock: more than one where it starts again."""
    entries: tuple[Entry, ...]
    """Where such a file can be entered; of others only the beginning."""
    by_decoding: bool
    """Whether the container knows only when frames are decoded, which is in another order than
    they are shown (AVI)."""
    duration_s: float
    audio_codec: str | None
    sample_rate: int | None

    @property
    def frames(self) -> int:
        """Frames at 25 fps."""
        return max(1, round(self.duration_s * FPS))

    @property
    def shape(self) -> Shape:
        """How its pictures are shown."""
        return Shape(self.pixel_aspect, Orientation(self.mirrored, self.rotation))


def probe(path: Path, limits: Limits = Limits()) -> VideoInfo:
    """Measure a file by reading all its packets (no decoding but the first frame).

    Raises UnreadableVideoError with the reason a person can act on.
    """
    with open_media(path) as container:
        stream = video_stream(container)
        if stream.width * stream.height > limits.max_megapixels * 1e6:
            detail = (
                f"{stream.width}x{stream.height} pixels; the limit is {limits.max_megapixels} MP"
            )
            raise UnreadableVideoError(Quarantine.TOO_LARGE, detail)
        sound = sound_track(container)
        audio = sound.stream if sound else None
        extent = Extent(container, path)
        times, sounds = _packet_times(container, stream, audio, extent)
        reorders = bool(stream.codec_context.has_b_frames)
        codec = {
            "container": container.format.name,
            "codec": stream.codec_context.name,
            "audio_codec": audio.codec_context.name if audio else None,
            "sample_rate": sound.rate if sound else None,
        }
    if times.count == 0:
        raise UnreadableVideoError(Quarantine.NO_PICTURE, "the video stream has no packet")
    by_decoding = times.in_order and reorders and _times_go_back(path)
    runs = times.runs(by_decoding=by_decoding)
    steps = np.concatenate([np.diff(run) for run in runs])
    step = float(np.median(steps)) if len(steps) else 1 / FPS
    by_byte = codec["container"] in _ENTERED_BY_BYTE
    stretches = stretches_of(runs, sounds.runs(), step)
    duration_s = stretches[-1].at + float(np.ptp(runs[-1])) + step
    if duration_s > limits.max_hours * 3600:
        detail = f"{duration_s / 3600:.1f} h of frames; the limit is {limits.max_hours:g} h"
        raise UnreadableVideoError(Quarantine.TOO_LONG, detail)
    _require_whole(path, extent, limits)
    return VideoInfo(
        **codec,
        **_first_frame(path),
        frame_rate=1 / step if step > 0 else 0.0,
        variable_frame_rate=bool(len(steps)) and float(np.ptp(steps)) > 0.5 * step,
        stretches=stretches,
        entries=times.entries(stretches) if len(stretches) > 1 and by_byte else (Entry(),),
        by_decoding=by_decoding,
        duration_s=duration_s,
    )


def _require_whole(path: Path, extent: Extent, limits: Limits) -> None:
    """Raise UnreadableVideoError for a file that was cut off."""
    if extent.cut_off(limits.min_data_share):
        promised_s, held_s = extent.promised, extent.held
        detail = f"the header promises {promised_s:.1f} s, the file ends at {held_s:.1f} s"
        raise UnreadableVideoError(Quarantine.TRUNCATED, detail)
    missing = missing_share(path)
    if missing > 1 - limits.min_data_share + 1e-9:
        known = f"{missing:.0%} of the bytes that the header promises are missing"
        detail = known if missing < 1 else "the file ends in the middle of a packet"
        take = "fetch it again, or take what there is with extract.limits.min_data_share: 0"
        raise UnreadableVideoError(Quarantine.TRUNCATED, f"{detail}; {take}")


def _packet_times(
    container: Any,  # noqa: ANN401 - PyAV is untyped
    stream: Any,  # noqa: ANN401
    audio: Any,  # noqa: ANN401
    extent: Extent,
) -> tuple[StreamTimes, StreamTimes]:
    """Times of the packets of pictures and sound; `extent` sees those of all streams."""
    times = {stream.index: StreamTimes()}
    if audio is not None:
        times[audio.index] = StreamTimes()
    untimed = 0
    try:
        for packet in packets(container):
            shown = extent.add(packet)
            index = packet.stream.index
            if shown is None:
                untimed += bool(index == stream.index and packet.size)
            elif index in times:
                decoded = packet.pts if packet.dts is None else packet.dts
                key = packet.pos if packet.is_keyframe else None
                times[index].add(float(decoded * packet.time_base), shown, key)
    except av.error.FFmpegError as error:
        raise UnreadableVideoError(Quarantine.CORRUPT, first_line(error)) from error
    found = times[stream.index]
    if untimed > found.count:
        detail = f"{untimed} of {untimed + found.count} packets carry no timestamp"
        raise UnreadableVideoError(Quarantine.NO_TIMESTAMPS, detail)
    return found, times[audio.index] if audio is not None else StreamTimes()


def _first_frame(path: Path) -> dict[str, Any]:
    """What the first frame that can be decoded tells of the pictures."""
    with open_media(path) as container:
        stream = video_stream(container)
        frame = _first_decoded(container, stream)
        shape = Shape(float(stream.sample_aspect_ratio or 1), orientation_of(frame))
        width, height = shape.size(frame.width, frame.height)
        return {
            "width": width,
            "height": height,
            "rotation": shape.orientation.rotation,
            "mirrored": shape.orientation.mirrored,
            "pixel_aspect": shape.aspect,
            "transfer": av.video.reformatter.ColorTrc(int(frame.color_trc)).name.lower(),
            "interlaced": bool(frame.interlaced_frame),
        }


def _times_go_back(path: Path) -> bool:
    """Whether frames, in the order in which they are shown, carry times that go back."""
    with open_media(path) as container:
        stream = video_stream(container)
        last: int | None = None
        seen = 0
        for packet in packets(container, stream):
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, NotImplementedError):
                continue
            for frame in frames:
                if last is not None and frame.pts is not None and frame.pts < last:
                    return True
                last, seen = frame.pts, seen + 1
            if seen >= _REORDERING_SHOWS_IN:
                break
    return False


def _first_decoded(container: Any, stream: Any) -> Any:  # noqa: ANN401
    failed: BaseException | None = None
    for packet in packets(container, stream):
        try:
            for frame in packet.decode():
                return frame
        except (av.error.FFmpegError, NotImplementedError) as error:
            failed = error
    if failed is not None:
        raise UnreadableVideoError(Quarantine.CORRUPT, first_line(failed)) from failed
    raise UnreadableVideoError(Quarantine.NO_PICTURE, "no frame can be decoded")
