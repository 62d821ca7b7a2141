"""Beginning to read a file somewhere in the middle."""

import math
from collections.abc import Iterator
from typing import Any

from dawn.features.rates import FPS
from dawn.features.video.probe import VideoInfo
from dawn.features.video.timeline import Entry

_BACK_S = (1 / FPS, 2.0, 10.0, 60.0, math.inf)


def entries_before(info: VideoInfo, start_s: float) -> Iterator[Entry]:
    """Places at or before `start_s` to begin at, each further back; the last is the beginning."""
    for back in _BACK_S:
        at = start_s - back
        if at <= 0:
            break
        if len(info.stretches) == 1:
            yield Entry(at)
        else:
            yield max(entry for entry in info.entries if entry.at <= at)
    yield Entry()


def seek(container: Any, stream: Any, info: VideoInfo, entry: Entry) -> None:  # noqa: ANN401
    """Go to an entry, or to where the container lands before it."""
    if entry.byte is not None:
        container.seek(entry.byte, unsupported_byte_offset=True)
    elif entry.at > 0:
        target = info.stretches[0].raw + entry.at
        container.seek(int(target / stream.time_base), stream=stream)
