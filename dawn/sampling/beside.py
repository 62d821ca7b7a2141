"""Work in a thread beside the caller's: one item after the other, few of which wait."""

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """Calls `take` with each item that is put, in order, in a thread of its own.

    At most `ahead` items wait, so that memory is bounded. What `take` raises, the caller hears at
    its next `put` or at `finish`; from then on items are dropped. While no item waits, `idle` is
    called as long as it says that there is more to do. Use as a context manager: one
    that is left without `finish` drops what waits, and the thread has ended after it.
    """

    def __init__(
        self, take: Callable[[T], None], ahead: int, idle: Callable[[], bool] | None = None
    ) -> None:
        self._take, self._idle = take, idle
        self._items: queue.Queue[T | None] = queue.Queue(ahead)
        self._error: BaseException | None = None
        self._dropping = False
        # a daemon: an interpreter that ends in an emergency does not wait for it
        self._thread = threading.Thread(target=self._run, name="dawn-beside", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand one over; waits while too many do."""
        self._check()
        self._items.put(item)

    def finish(self) -> None:
        """Wait until all that was put is done."""
        self._items.put(None)
        self._thread.join()
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            try:
                if self._idle is not None and self._items.empty():
                    self._idle = self._idle if self._idle() else None
                    continue
                item = self._items.get()
                if item is None:
                    return
                if not self._dropping:
                    self._take(item)
                del item  # it may hold a device's memory
            except BaseException as error:  # noqa: BLE001 - the caller raises it
                self._error, self._dropping, self._idle = error, True, None

    def __enter__(self) -> "Beside[T]":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dropping = True
        if self._thread.is_alive():
            self._items.put(None)
            self._thread.join()
