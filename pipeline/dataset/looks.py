"""A few pictures of a clip."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawn.training.clips import decode_frames

_SIDE = 256
_SHARES = (1 / 6, 1 / 2, 5 / 6)
"""Where in a clip its pictures are taken."""


def look_at(path: Path, frames: int) -> NDArray[np.uint8]:
    """Three frames side by side, (256, 768, 3). Raises OSError or FFmpegError for no clip."""
    wanted = sorted({min(frames - 1, int(frames * share)) for share in _SHARES})
    found = [picture for _, picture in decode_frames(path, wanted, _SIDE)]
    if not found:
        raise OSError(0, "it holds no frame")
    found += [found[-1]] * (len(_SHARES) - len(found))
    return np.concatenate(found, axis=1)
