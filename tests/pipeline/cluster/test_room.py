"""Jobs follow the nodes that there are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cluster.room import in_flight
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("slots", "most", "elastic", "wanted"),
    [
        (2, None, False, 2), (2, 1, False, 1), (0, None, False, 1),
        (0, None, True, 2), (1, None, True, 3), (8, None, True, 10), (64, None, True, 80),
        (64, 70, True, 70), (4, 16, True, 6), (16, 16, True, 16),
    ],
)  # fmt: skip
def test_a_little_waits_where_that_may_start_nodes(
    slots: int, most: int | None, elastic: bool, wanted: int
) -> None:
    assert in_flight(slots, most, elastic=elastic) == wanted


def test_demand_grows_with_the_nodes_it_brings_until_the_user_s_bound() -> None:
    """What an autoscaler does that gives each waiting job a processor."""
    slots, seen = 0, []
    for _ in range(30):
        slots = min(100, in_flight(slots, 40, elastic=True))
        seen.append(slots)
    assert seen == sorted(seen)
    assert seen[-1] == 40


JOINS = '''
"""A cluster of one processor that is joined by another while jobs and workers wait for it."""
import os, sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from pipeline.cluster.actors import OnActors
from pipeline.cluster.tasks import OnRay
folder = Path(sys.argv[1])

def no_thread_fails_alone(arguments):
    sys.__excepthook__(*arguments[:3])
    os._exit(1)

threading.excepthook = no_thread_fails_alone

def both(stage, number):
    """Ends once another runs beside it."""
    (folder / f"{stage}{number}").touch()
    while len(list(folder.glob(f"{stage}*"))) < 2:
        time.sleep(0.05)
    return ray.get_runtime_context().get_node_id()

class Worker:
    def do(self, number):
        return both("worker", number)

if __name__ == "__main__":
    quiet = {"include_dashboard": False, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **quiet})
    executor = OnRay(address=cluster.address)
    assert executor.workers == 1

    def meanwhile(work, awaited):
        """Work in a thread, and have a node join once it waits: nodes start in this one."""
        found = []
        thread = threading.Thread(target=lambda: found.extend(work()))
        thread.start()
        while not awaited():
            time.sleep(0.05)
        node = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        thread.join()
        return node, len({name for _, name in found})

    for number in range(6):
        executor.submit(number, both, "job", number)
    node, used = meanwhile(
        executor.results, lambda: len(executor._running) == 3 and list(folder.glob("job*"))
    )
    print("jobs", used)
    cluster.remove_node(node)
    while ray.cluster_resources().get("CPU") != 1:
        time.sleep(0.1)
    workers = OnActors(executor, Worker)
    _, used = meanwhile(lambda: workers.results(range(6)), lambda: list(folder.glob("worker*")))
    print("workers", used)
    workers.close()
    cluster.shutdown()
'''


def test_a_node_that_joins_is_used(tmp_path: Path) -> None:
    script = tmp_path / "joins.py"
    script.write_text(JOINS)
    (tmp_path / "made").mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "RAY_raylet_start_wait_time_s": "300",
        "RAY_agent_register_timeout_ms": "300000",
    }
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "made"],
        capture_output=True, text=True, timeout=400, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "jobs 2" in done.stdout, done.stderr[-3000:]
    assert "workers 2" in done.stdout
