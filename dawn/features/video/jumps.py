"""Jump cuts inside a shot: footage left out of one take, which a shot detector cannot see.

Across such a cut the picture stays nearly the same, and yet no movement leads from one frame to the
next: optical flow (DIS, Kroeger et al., ECCV 2016) leaves more unexplained than at the frames
around. A jerk of the camera it explains.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 96
"""Of the grey pictures that are compared: at 64 and 48, cuts are found less often."""
_BORDER = SIDE // 8
"""What is left out on each side: it may come from outside the picture."""
_NEIGHBOURS = 3
"""Steps on either side that a step is held against: footage whose frame rate was changed jerks
at every fifth frame or so, and has a peer within reach."""
_SUSPECT = 1.2
"""How much more than at its neighbours a picture must change for flow to be asked: a third of the
steps of real footage do, among them every cut that flow tells."""
_NOISE = 0.3
"""Grey levels by which pictures of nothing that moves differ."""

Grey = NDArray[np.uint8]


def grey_picture(crop: NDArray[np.uint8]) -> Grey:
    """An RGB crop (S, S, 3) as `largest_jump` takes it, (96, 96)."""
    small = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def largest_jump(pictures: Sequence[Grey]) -> float:
    """What flow leaves unexplained between two successive pictures (96, 96) over the most that it
    does within three frames of them, where that is largest: up to about 2 in whole takes, 0 where
    nothing is suspect.
    """
    return max(jumps(pictures), default=0.0)


def jumps(pictures: Sequence[Grey]) -> list[float]:
    """The same of each step, 0 for those that are not suspect."""
    steps = range(len(pictures) - 1)
    changes = [cv2.norm(pictures[i], pictures[i + 1], cv2.NORM_L1) / SIDE**2 for i in steps]

    @lru_cache(maxsize=2 * _NEIGHBOURS + 2)
    def left(i: int) -> float:
        return unexplained(pictures[i], pictures[i + 1])

    found = []
    for i in steps:
        others = [j for j in range(i - _NEIGHBOURS, i + _NEIGHBOURS + 1) if j in steps and j != i]
        usual = max([_NOISE, *(changes[j] for j in others)])
        suspect = len(others) >= _NEIGHBOURS and changes[i] > _SUSPECT * usual
        found.append(left(i) / max([_NOISE, *map(left, others)]) if suspect else 0.0)
    return found


def unexplained(before: Grey, after: Grey) -> float:
    """Mean difference, in grey levels, of a picture and the one before moved by their flow."""
    flow = _flow().calc(after, before, None)
    moved = cv2.remap(
        before, flow + _places(), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    inner = slice(_BORDER, -_BORDER)
    part = moved[inner, inner]
    return float(cv2.norm(part, after[inner, inner], cv2.NORM_L1)) / part.size


@lru_cache(maxsize=1)
def _flow() -> Any:  # noqa: ANN401 - OpenCV's classes are untyped
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)


@lru_cache(maxsize=1)
def _places() -> NDArray[np.float32]:
    """Each pixel's own x and y, (96, 96, 2)."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([columns, rows], axis=-1).astype(np.float32)
