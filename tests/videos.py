"""Small videos whose pictures and sounds say where they come from."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

STEP = 9
"""Grey levels between source frames; far above what lossy coding moves."""


def write_counting_video(
    path: Path,
    times: Sequence[Fraction],
    *,
    sound: np.ndarray | None = None,
    rate: int = 48_000,
    channels: int = 1,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> Path:
    """A video whose frame k is of grey level `level(k)`, shown at `times[k]` seconds; `sound` is
    (channels, samples) float32 that begins at time 0.
    """
    # MPEG-2 knows only its own rates.
    base = Fraction(1, 25) if codec == "mpeg2video" else Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {"qp": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        audio = None
        if sound is not None:
            kind = "pcm_s16le" if path.suffix in (".mkv", ".avi", ".mov") else "aac"
            layout = {1: "mono", 2: "stereo"}[channels]
            audio = container.add_stream(kind, rate=rate, layout=layout)
        # Grain: frames so small that several share a packet would also share its timestamp.
        grain = np.random.default_rng(0).integers(-9, 10, (size[1], size[0], 1))
        for k, time in enumerate(times):
            picture = np.broadcast_to(level(k) + grain, (size[1], size[0], 3)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(time / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None and sound is not None:
            layout = {1: "mono", 2: "stereo"}[channels]
            for begin in range(0, sound.shape[1], 1024):
                part = np.ascontiguousarray(sound[:, begin : begin + 1024], dtype=np.float32)
                chunk = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
                chunk.sample_rate, chunk.pts, chunk.time_base = rate, begin, Fraction(1, rate)
                container.mux(audio.encode(chunk))
            container.mux(audio.encode(None))
    return path


def level(k: int) -> int:
    """Grey level of source frame k: neighbours differ, and it takes 23 frames to repeat."""
    return 20 + STEP * (k % 23)


def shown(picture: np.ndarray) -> int:
    """Which source frame (modulo 23) a decoded picture is."""
    return round((float(picture.mean()) - 20) / STEP)
