"""Several videos on one device: they take turns, whoever's viewer runs dry first is next."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dawn.features.rates import FPS
from dawn.sampling.render import Batch


@dataclass(eq=False, slots=True)
class _Video:
    """One that is being made."""

    began: float
    frames: int = 0

    @property
    def dry(self) -> float:
        """When a viewer who has watched from the beginning has seen all there is."""
        return self.began + self.frames / FPS


class Turns:
    """Lets one thread at a time make a batch of pictures.

    A turn is the next stretch's denoising with its first batch, or a batch more; so a video that
    begins waits for the rest of a turn, not of a video. One object for one model's networks. What a
    video keeps from turn to turn must be its own: others use the networks between.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._free = threading.Condition()
        self._busy = False
        self._waiting: list[_Video] = []

    def each(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, each made when it is this video's turn."""
        iterator, video = iter(batches), _Video(self._clock())
        while True:
            with self._turn(video):
                batch = next(iterator, None)
            if batch is None:
                return
            video.frames += len(batch.pictures)
            yield batch

    @contextmanager
    def _turn(self, video: _Video) -> Iterator[None]:
        with self._free:
            self._waiting.append(video)
            try:
                self._free.wait_for(lambda: not self._busy and self._next() is video)
                self._busy = True
            finally:
                self._waiting.remove(video)
        try:
            yield
        finally:
            with self._free:
                self._busy = False
                self._free.notify_all()

    def _next(self) -> _Video:
        return min(self._waiting, key=lambda video: video.dry)
