"""Commands on a cluster that falls apart: `python -m tests.cluster_storms [ROUNDS] [SEED]`.

As `tests/storms.py`, but the command that is disturbed has its jobs done by nodes that share
nothing but the bucket. Besides the bucket's weather, nodes and the head die, nodes come and go, and
there are nodes whose memory, object store or folder for temporary files is full.
"""

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.cli import app as cli
from tests.clusters import Nodes
from tests.storms import Rounds, Weather, begun, ended, ground, play

WEATHER = ("errors", "cuts", "lost answers", "slow", "outage", "kill", "two")
FAULTS = ("node dies", "head dies", "node joins", "no memory", "full store", "full scratch")
WORKERS, FURTHER = 2, 3
"""Nodes 1 and 2 do the work; node 3 comes and goes."""


class ClusterRounds(Rounds):
    """Rounds whose disturbed commands join a cluster."""

    def __init__(self, folder: Path, weather: Weather, nodes: Nodes) -> None:
        super().__init__(folder, weather)
        self._nodes, self._hog = nodes, 0
        nodes.start(WORKERS)

    def drawn(self, chance: random.Random) -> list[str]:
        faults = chance.sample(FAULTS, chance.choice((1, 1, 2)))
        return faults + chance.sample(WEATHER, chance.choice((0, 1, 1)))

    def disturbed(self, name: str) -> None:
        os.environ.update(self._nodes.environment)
        os.chdir(self._nodes.environment["TMPDIR"])
        sys.argv = ["dawn", *self.arguments(name)]
        cli.main()

    def before(self, kinds: list[str]) -> None:
        if "full store" in kinds:
            ready, log = self.folder / "full", self.folder / "hog.log"
            ready.unlink(missing_ok=True)
            hog = begun(lambda: fill_stores(self._nodes, ready), log)
            while not ready.exists():
                assert os.waitpid(hog, os.WNOHANG) == (0, 0), log.read_text()[-3000:]
                time.sleep(0.1)
            self._hog = hog
        if "no memory" in kinds:  # every task on it is one too many
            self._nodes.join(FURTHER, RAY_memory_usage_threshold="0.01")
        elif "full scratch" in kinds:
            self._nodes.join(FURTHER, scratch="40k")
        if self._nodes.there(FURTHER):
            self._nodes.await_nodes(1 + FURTHER)

    def during(self, kinds: list[str], driver: int, chance: random.Random) -> None:
        if "node joins" in kinds and not self._nodes.there(FURTHER):
            self._nodes.join(FURTHER)
        for kind, node in (("node dies", chance.randint(1, WORKERS)), ("head dies", 0)):
            if kind in kinds:
                self.await_requests(chance.randrange(1, self.usual), driver)
                self._nodes.end(node)
        if "node joins" in kinds:
            self.await_requests(chance.randrange(1, self.usual), driver)
            self._nodes.end(FURTHER, signal.SIGTERM)
        super().during(kinds, driver, chance)

    def after(self, kinds: list[str]) -> None:
        if self._hog:
            with contextlib.suppress(ProcessLookupError):  # Ray ends it where the head is lost
                os.killpg(self._hog, signal.SIGKILL)
            ended(self._hog)
            self._hog = 0
        if self._nodes.there(FURTHER):
            self._nodes.end(FURTHER)
        if not self._nodes.there(0):
            for number in range(1, 1 + WORKERS):
                if self._nodes.there(number):
                    self._nodes.end(number)
            self._nodes.start(WORKERS)
        for number in range(1, 1 + WORKERS):
            if not self._nodes.there(number):
                self._nodes.join(number)
        self._nodes.await_nodes(1 + WORKERS)


def fill_stores(nodes: Nodes, ready: Path) -> None:
    """Have objects on every node that does work, as many as its store holds, until killed."""
    os.environ.update(nodes.environment)
    import numpy as np
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Holder:
        """Objects that stay."""

        def __init__(self) -> None:
            self._kept: list[Any] = []

        def fill(self) -> None:
            with contextlib.suppress(ray.exceptions.ObjectStoreFullError):
                for _ in range(7):
                    self._kept.append(ray.put(np.ones(10 * 2**20, np.uint8)))

    ray.init(logging_level=50, log_to_driver=False)
    holders = [
        ray.remote(num_cpus=0)(Holder)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote()
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU")
    ]
    ray.get([holder.fill.remote() for holder in holders])
    ready.touch()
    signal.pause()


@contextlib.contextmanager
def cluster_rounds() -> Iterator[ClusterRounds]:
    with ground() as (folder, weather), Nodes({**os.environ, "PYTHONWARNINGS": "ignore"}) as nodes:
        yield ClusterRounds(folder, weather, nodes)


def main(count: int = 60, seed: int = 0) -> None:
    """Exit code 1 and the rounds' stories where one was bad."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # no node outlives it
    with cluster_rounds() as rounds:
        well = play(rounds, count, seed)
    sys.exit(not well)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
