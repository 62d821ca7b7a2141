"""Lossless small videos for metrics: what is decoded is exactly what was written."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.hostile import face

RATE = 16_000


def write_film(
    path: Path,
    pictures: Sequence[np.ndarray],
    sound: np.ndarray | None = None,
    rate: Fraction | int = 25,
) -> Path:
    """RGB pictures (H, W, 3) as FFV1 in Matroska; `sound`: mono float32 at 16 kHz, or none."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0"
        audio = None
        if sound is not None:
            audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = k, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None and sound is not None:
            pcm = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def drift(count: int, seed: int = 0, noise: float = 4.0, size: int = 128) -> list[np.ndarray]:
    """A face that drifts sideways under noise."""
    random = np.random.default_rng(seed)
    big = face() if size == 128 else face().repeat(size // 128, 0).repeat(size // 128, 1)
    return [
        np.clip(
            np.roll(big, (k + seed) % 7, axis=1) + random.normal(0, noise, big.shape), 0, 255
        ).astype(np.uint8)
        for k in range(count)
    ]


def hum(count: int) -> np.ndarray:
    """Sound for so many frames."""
    time = np.arange(count * RATE // 25) / RATE
    return (0.3 * np.sin(2 * np.pi * 200 * time) * (1 + np.sin(2 * np.pi * 3 * time))).astype(
        np.float32
    ) / 2
