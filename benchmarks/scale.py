"""How time and memory grow with the videos: `python -m benchmarks.scale --sizes 1000 10000`.

Rows are synthetic, one clip of four frames a video, through the project's own code; each step runs
in a process of its own, whose peak of memory is its own. The last lines are the exponents between
the two largest sizes: 1 is linear.
"""

import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks.fresh import peak_mib
from benchmarks.report import Report, arguments, parse
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


def measured(step: str, root: str, count: int) -> dict[str, float]:
    """Seconds and peak MiB of one step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--step", step, root, str(count)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def do(step: str, root: str, count: int) -> None:
    """One step, and what it took as JSON."""
    begun = time.perf_counter()
    STEPS[step](root, count)
    print(json.dumps({"s": time.perf_counter() - begun, "mib": peak_mib()}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1000, 10_000])
    parser.add_argument("--step", nargs=3, metavar=("NAME", "ROOT", "COUNT"), help="one, here")
    options = parse(parser, sizes=[20, 40])
    if options.step is not None:
        name, root, count = options.step
        do(name, root, int(count))
        return
    report, seconds = Report("scale"), {}
    sizes = sorted(options.sizes)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for name in STEPS:
                one = measured(name, f"{folder}/d", size)
                seconds[name, size] = one["s"]
                print(f"{name}: {size} videos: {one['s']:.2f} s, peak {one['mib']:.0f} MiB")
                report.figure(f"{name}, {size} videos", one["s"], "s", peak_mib=one["mib"])
    for few, many in itertools.pairwise(sizes):
        for name in STEPS:
            growth = math.log(seconds[name, many] / seconds[name, few]) / math.log(many / few)
            print(f"{name}: exponent {growth:.2f} from {few} to {many}")
            report.figure(f"{name}, {few} to {many}", growth, "exponent")


if __name__ == "__main__":
    main()
