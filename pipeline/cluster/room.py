"""How many jobs may be with Ray at once, as nodes come and go."""

import math
from time import perf_counter

_LOOK_S = 2.0
"""Between looks at the cluster, each of which asks its head."""


def in_flight(slots: int, most: int | None, *, elastic: bool) -> int:
    """Jobs for so many places, and never more than `most`, what the user allows or memory suits.

    On a cluster a quarter more than there are places, two at least: they wait in Ray's queue, where
    an autoscaler sees them and starts nodes. One more node brings its places, and a few more wait.
    """
    wanted = slots + max(2, slots // 4) if elastic else slots
    return max(1, wanted if most is None else min(wanted, most))


class Room:
    """Room for jobs of one CPU, and of a share of a GPU."""

    def __init__(self, most: int | None, *, elastic: bool, share: float = 0.0) -> None:
        self._most, self._elastic, self._share = most, elastic, share
        self._slots, self._looked = 0, -math.inf

    def slots(self) -> int:
        """The places that there are."""
        import ray

        if perf_counter() - self._looked > _LOOK_S:
            there = ray.cluster_resources()
            self._slots = int(there.get("CPU", 0))
            if self._share:
                shares = math.floor(there.get("GPU", 0) / self._share + 1e-6)
                self._slots = min(self._slots, shares)
            self._looked = perf_counter()
        return self._slots

    def now(self) -> int:
        """How many jobs may be with Ray now."""
        return in_flight(self.slots(), self._most, elastic=self._elastic)

    def lessen(self, to: int) -> None:
        """From now on no more than that: memory was short."""
        self._most = max(1, to)
