"""Real clips for tests, decoded plainly: no code under test stands between them and the file."""

from pathlib import Path

import av
import numpy as np


def read_frames(shared: Path, pattern: str) -> list[np.ndarray]:
    """All frames, RGB (H, W, 3), of the one clip whose name matches."""
    (path,) = (shared / "clips").glob(pattern)
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def read_audio(shared: Path, pattern: str) -> np.ndarray:
    """The clip's sound, mono int16 at 16 kHz."""
    (path,) = (shared / "clips").glob(pattern)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
    with av.open(path) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])
