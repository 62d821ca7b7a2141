"""Which sample comes when: a function of the seed and the sample's number alone.

Sample n of a run takes a clip and its random numbers from (seed, n), whatever the number of
workers, loader processes or restarts. The position in the order is one integer.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from dawn.training.clips import ClipError, ClipReader, ClipRow
from manifests.errors import is_full

Sample = dict[str, Any]
Make = Callable[[ClipReader, ClipRow, np.random.Generator, np.random.Generator], Sample]
"""(reader, clip, the sample's random numbers, its batch's random numbers) to a sample."""

_TRIES = 20


@lru_cache(maxsize=2)
def _shuffled(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, 0x5A, epoch)).permutation(count)


def clip_number(seed: int, number: int, count: int) -> int:
    """The clip of sample `number`: each epoch goes through all `count` in a new order."""
    epoch, place = divmod(number, count)
    return int(_shuffled(seed, epoch, count)[place])


class Samples(Dataset[Sample]):
    """Sample `n` of a run. A clip that cannot be read is named and the next one taken."""

    def __init__(
        self, clips: Sequence[ClipRow], make: Make, seed: int, batch: int, reader: ClipReader
    ) -> None:
        self._clips, self._make = clips, make
        self._seed, self._batch, self._reader = seed, batch, reader

    def __getitem__(self, number: int) -> Sample:
        """The sample, with the unusable clips that were met on the way under "bad"."""
        bad: list[str] = []
        for skip in range(_TRIES):
            clip = self._clips[clip_number(self._seed, number + skip, len(self._clips))]
            own = np.random.default_rng((self._seed, 0x51, number))
            shared = np.random.default_rng((self._seed, 0xBA, number // self._batch))
            try:
                return {**self._make(self._reader, clip, own, shared), "bad": tuple(bad)}
            except ClipError as error:
                bad.append(f"{clip.clip_id}: {error}")
            except OSError as error:
                if is_full(error):
                    raise
                bad.append(f"{clip.clip_id}: {error}")
        raise ClipError(f"{_TRIES} clips in a row cannot be read; the last: {bad[-1]}")


class MicroBatches(Sampler[list[int]]):
    """The sample numbers of each micro-batch of one worker, from a position on.

    Step s covers samples [s * batch, (s + 1) * batch), cut into `accumulate` parts, and each
    part among the `world` workers.
    """

    def __init__(
        self, step: int, steps: int, batch: int, accumulate: int, rank: int, world: int
    ) -> None:
        if batch % (accumulate * world):
            raise ValueError(
                f"batch {batch} cannot be cut into {accumulate} parts for {world} workers"
            )
        self._steps = range(step, steps)
        self._batch, self._accumulate = batch, accumulate
        self._rank, self._world = rank, world

    def __len__(self) -> int:
        return len(self._steps) * self._accumulate

    def __iter__(self) -> Iterator[list[int]]:
        each = self._batch // (self._accumulate * self._world)
        for step in self._steps:
            for part in range(self._accumulate):
                first = step * self._batch + (part * self._world + self._rank) * each
                yield list(range(first, first + each))
