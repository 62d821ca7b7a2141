"""Opening media: which containers are read, and which stream of theirs is the picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from dawn.features.video.promise import lacks_index
from manifests.reasons import Quarantine, UnreadableVideoError

# Containers that hold their own media. Playlists and manifests (HLS, DASH, concat) are left
# out: they make FFmpeg open other files that the playlist names.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,mxf,"
    "wav,mp3,flac,aac,h264,hevc,m4v,ivf,nut"
)
_OPEN = {"format_whitelist": FORMATS, "protocol_whitelist": "file,pipe"}


def open_media(path: Path) -> Any:  # noqa: ANN401 - PyAV is untyped
    """The open container. Raises UnreadableVideoError."""
    try:
        # The `file:` prefix keeps FFmpeg from reading a protocol out of a file's name.
        return av.open(f"file:{path.absolute()}", options=_OPEN, metadata_errors="replace")
    except FileNotFoundError as error:
        raise UnreadableVideoError(Quarantine.NOT_FOUND, "the file is gone") from error
    except (av.error.FFmpegError, ValueError, OSError) as error:
        if lacks_index(path):
            detail = "the MP4 index (moov) is not whole: the file was cut off or never finished"
            raise UnreadableVideoError(Quarantine.TRUNCATED, detail) from error
        detail = f"no video container that is read here (FFmpeg: {first_line(error)})"
        raise UnreadableVideoError(Quarantine.NOT_A_VIDEO, detail) from error


def video_stream(container: Any) -> Any:  # noqa: ANN401 - PyAV is untyped
    """The first stream of moving pictures (a cover image is not one)."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise UnreadableVideoError(Quarantine.UNSUPPORTED, "no decoder for this codec")
            return stream
    raise UnreadableVideoError(Quarantine.NO_PICTURE, "the file has no video stream")


def packets(container: Any, *streams: Any) -> Iterator[Any]:  # noqa: ANN401 - PyAV is untyped
    """The packets of these streams, or of all. At the very end of a file in which a stream began
    late, PyAV stumbles over that one.
    """
    try:
        yield from container.demux(*streams)
    except IndexError:
        return


def first_line(error: BaseException) -> str:
    """An FFmpeg error without the path and the number it repeats."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]
