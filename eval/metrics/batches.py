"""Pictures in batches, of one clip or of several."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BATCH = 16
"""Pictures that go through a network at once on a CPU. Results do not depend on it beyond rounding.
"""

Pictures = NDArray[np.uint8]


def across(
    run: Callable[[Pictures], NDArray[np.float32]], clips: Sequence[Iterator[Pictures]], size: int
) -> list[NDArray[np.float32]]:
    """The rows that `run` gives for each clip's items, in one array a clip (empty for none).

    Batches have `size` items, of as many clips as it takes; only one is held at a time.
    """
    rows: list[list[NDArray[np.float32]]] = [[] for _ in clips]
    waiting: list[tuple[int, Pictures]] = []

    def flush() -> None:
        if not waiting:
            return
        made, at = run(np.concatenate([part for _, part in waiting])), 0
        for place, part in waiting:
            rows[place].append(made[at : at + len(part)])
            at += len(part)
        waiting.clear()

    for place, chunks in enumerate(clips):
        for chunk in chunks:
            left = chunk
            while len(left):
                room = size - sum(len(part) for _, part in waiting)
                waiting.append((place, left[:room]))
                left = left[room:]
                if len(waiting[-1][1]) == room:
                    flush()
    flush()
    return [np.concatenate(of) if of else np.empty((0,), np.float32) for of in rows]
