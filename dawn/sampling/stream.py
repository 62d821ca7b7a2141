"""Frames one by one while the rest is still being made."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS, SAMPLES_PER_FRAME
from dawn.sampling.generate import AHEAD, OnWork
from dawn.sampling.render import Batch, ToHost
from dawn.sampling.voice import Voice


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a stream with its sound."""

    picture: NDArray[np.uint8]
    """RGB (S, S, 3)."""
    time: float
    """Seconds from the beginning; 25 frames make one."""
    sound: NDArray[np.float32]
    """Of its 40 ms: (640,), mono at 16 kHz in -1 … 1; silence where the voice has ended."""


class _LeftError(Exception):
    """Nobody wants the rest."""


Make = Callable[[OnWork], Iterator[Batch]]
"""Makes the batches and calls what it is given after every denoising step."""


def frames_of(make: Make, voice: Voice) -> Generator[Frame, None, None]:
    """Every frame as soon as it is rendered.

    The network works in a thread, on while frames are used: `AHEAD` batches ahead at most. It
    stops with its step where the iterator is closed. Raises what making raises.
    """
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(AHEAD)
    left = threading.Event()

    def hear(_: int) -> None:
        if left.is_set():
            raise _LeftError

    def run() -> None:
        try:
            for batch in make(hear):
                ready.put(batch)
                hear(0)
            ready.put(None)
        except _LeftError:
            pass
        except BaseException as error:  # noqa: BLE001 - whoever iterates raises it
            ready.put(error)

    thread = threading.Thread(target=run, name="dawn-stream", daemon=True)
    thread.start()
    to_host, number = ToHost(), 0
    try:
        while (batch := ready.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            for picture in to_host(batch).copy():
                start = number * SAMPLES_PER_FRAME
                sound = voice.samples[start : start + SAMPLES_PER_FRAME]
                yield Frame(picture, number / FPS, sound)
                number += 1
    finally:
        left.set()
        while thread.is_alive():  # it may wait for room
            with contextlib.suppress(queue.Empty):
                ready.get(timeout=0.05)
