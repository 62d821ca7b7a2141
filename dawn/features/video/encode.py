"""Writing clips: a square crop as H.264 with sound, and its sound as lossless FLAC."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dawn.features.rates import FPS, SAMPLE_RATE

# One thread and no macroblock tree: the encoder's output is then the same on every run and
# machine. A key frame a second lets training fetch a single frame by decoding at most 25.
X264 = {"preset": "veryfast", "crf": "18", "g": str(FPS), "bf": "0", "threads": "1"} | {
    "x264-params": "mbtree=0"
}


class ClipWriter:
    """Encodes frames as they come; the sound follows at the end.

    Use as a context manager; `add` each RGB frame (`size`, `width`, 3), then `add_sound` once.
    Frames are square where no `width` is given; a higher `crf` makes smaller, coarser files.
    """

    def __init__(self, path: Path, size: int, *, width: int | None = None, crf: int = 18) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        options = X264 | {"crf": str(crf)}
        self._video = self._container.add_stream("libx264", rate=FPS, options=options)
        self._video.height, self._video.width = size, width or size
        self._video.pix_fmt = "yuv420p"
        self._audio = self._container.add_stream(
            "aac", rate=SAMPLE_RATE, layout="mono", options={"aac_coder": "fast"}
        )
        self._converter = VideoReformatter()
        self._frames = 0

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Append one frame."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = self._converter.reformat(picture, format="yuv420p", threads=1)
        picture.pts, picture.time_base = self._frames, Fraction(1, FPS)
        self._frames += 1
        self._container.mux(self._video.encode(picture))

    def add_sound(self, samples: NDArray[np.float32]) -> None:
        """Append the clip's whole sound: mono float32 at 16 kHz."""
        self._container.mux(self._video.encode(None))
        _encode_sound(self._container, self._audio, samples[None], "fltp")

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()


def write_flac(path: Path, samples: NDArray[np.float32]) -> None:
    """Write mono float32 samples at 16 kHz as 16-bit FLAC."""
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        pcm = np.round(samples * 32767).astype(np.int16)
        _encode_sound(container, stream, pcm[None], "s16")


def read_flac(path: Path) -> NDArray[np.float32]:
    """The samples of a file that `write_flac` wrote: mono float32."""
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    if not parts:
        return np.zeros(0, np.float32)
    return np.concatenate(parts).astype(np.float32) / 32767


def _encode_sound(container, stream, samples, layout) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    block = 4096
    for begin in range(0, samples.shape[1], block):
        part = np.ascontiguousarray(samples[:, begin : begin + block])
        frame = av.AudioFrame.from_ndarray(part, format=layout, layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, begin
        frame.time_base = Fraction(1, SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
