"""How time and memory grow with the number of videos: `python -m benchmarks.scale 1000 10000`.

Rows are synthetic, one clip of four frames a video, through the project's own code; each step runs
in a process of its own, whose peak of memory is its own. The last lines are the exponents between
the two largest sizes: 1 is linear.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from manifests.catalog import query, rows
from manifests.compact import compact
from manifests.store import Dataset
from tests.manifests.rows import add, written

ROWS_PER_FILE = 200_000


def fill(root: str, count: int) -> None:
    """Videos of one clip each."""
    with written(root) as session:
        for number in range(count):
            add(session, f"v{number:09d}")


def append(root: str, count: int) -> None:
    """What comes after all others, and in the middle of them."""
    with Dataset(root).writing() as session:
        for number in range(0, count, max(1, count // 8)):
            add(session, f"v{number:09d}x")


STEPS: dict[str, Callable[[str, int], object]] = {
    "fill": fill,
    "look, loose": lambda root, _: query(Dataset(root), "FROM funnel()"),
    "compact": lambda root, _: compact(Dataset(root), ROWS_PER_FILE),
    "look, merged": lambda root, _: query(Dataset(root), "FROM funnel()"),
    "append 8": append,
    "compact after 8": lambda root, _: compact(Dataset(root), ROWS_PER_FILE),
    "rows of videos": lambda root, _: rows(Dataset(root), "FROM videos"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[1000, 10_000])
    parser.add_argument("--smoke", action="store_true", help="few videos")
    parser.add_argument("--step", nargs=3, metavar=("NAME", "ROOT", "COUNT"), help="in a process")
    given = parser.parse_args()
    if given.step is not None:
        name, root, count = given.step
        begun = time.perf_counter()
        STEPS[name](root, int(count))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"s": time.perf_counter() - begun, "mib": peak}))
        return
    found: dict[str, dict[int, dict[str, float]]] = {name: {} for name in STEPS}
    sizes = sorted([20, 40] if given.smoke else given.sizes)
    print(f"{'step':18s} {'videos':>9s} {'seconds':>9s} {'peak MiB':>9s}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for name in STEPS:
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.scale", "--step", name, f"{folder}/d",
                     str(size)], capture_output=True, text=True, check=True,
                )  # fmt: skip
                found[name][size] = one = json.loads(done.stdout.splitlines()[-1])
                print(f"{name:18s} {size:9d} {one['s']:9.2f} {one['mib']:9.0f}", flush=True)
    if len(sizes) > 1:
        few, many = sizes[-2:]
        for name, by_size in found.items():
            growth = math.log(by_size[many]["s"] / by_size[few]["s"]) / math.log(many / few)
            print(f"{name:18s} exponent {growth:.2f} from {few} to {many}")


if __name__ == "__main__":
    main()
