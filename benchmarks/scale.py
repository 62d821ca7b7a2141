"""How time and memory grow with the videos: `python -m benchmarks.scale --sizes 1000 10000`.

`--people 4000 16000` looks at the split alone: who 512 new faces are among so many people, and all
of these people at once.

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
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.fresh import peak_mib
from benchmarks.report import Report, arguments, parse
from dawn.curation.splits import Identities, SplitConfig, assign
from dawn.features.faces.identity import EMBEDDING
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


def people(count: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """Clips of people who look like nobody else, each with an embedding of its own."""
    random = np.random.default_rng(first)
    for number in range(first, first + count):
        face = random.standard_normal(EMBEDDING).astype(np.float32)
        yield {"clip_id": f"c{number:09d}", "video_id": f"v{number}", "speaker": None,
               "asked_split": None, "source_name": "", "embedding": face}  # fmt: skip


def appended(_: str, count: int) -> float:
    """Seconds that the split of 512 new faces takes among so many people."""
    known = Identities()
    for clip in people(count):
        known.add(f"face:{clip['clip_id']}", "train", clip["embedding"])
    clips = list(people(512, count))
    begun = time.perf_counter()
    assign(clips, known, SplitConfig())
    return time.perf_counter() - begun


SPLITS: dict[str, Callable[[str, int], float | None]] = {
    "split of 512": appended,
    "split of all": lambda _, count: assign([*people(count)], Identities(), SplitConfig()),
}
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
    begun, busy = time.perf_counter(), time.process_time()
    took = (STEPS | SPLITS)[step](root, count)
    seconds = took if isinstance(took, float) else time.perf_counter() - begun
    print(json.dumps({"s": seconds, "cpu": time.process_time() - busy, "mib": peak_mib()}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", nargs="*", type=int, help="videos; default: 1000 10000")
    parser.add_argument(
        "--people", nargs="+", type=int, default=[], help="the split alone, of so many"
    )
    parser.add_argument("--step", nargs=3, metavar=("NAME", "ROOT", "COUNT"), help="one, here")
    options = parse(parser, sizes=[20, 40], people=[20, 40])
    if options.step is not None:
        name, root, count = options.step
        do(name, root, int(count))
        return
    report = Report("scale")
    grow(report, options.sizes or ([] if options.people else [1000, 10_000]), STEPS)
    grow(report, options.people, SPLITS)


def grow(
    report: Report, sizes: list[int], steps: Mapping[str, Callable[[str, int], object]]
) -> None:
    """Each step at each size, and the exponents from one to the next."""
    seconds, sizes = {}, sorted(sizes)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for name in steps:
                one = measured(name, f"{folder}/d", size)
                seconds[name, size] = one["s"]
                print(f"{name}: of {size}: {one['s']:.2f} s, peak {one['mib']:.0f} MiB")
                report.figure(f"{name}, of {size}", one["s"], "s", peak_mib=one["mib"])
    for few, many in itertools.pairwise(sizes):
        for name in steps:
            growth = math.log(seconds[name, many] / seconds[name, few]) / math.log(many / few)
            print(f"{name}: exponent {growth:.2f} from {few} to {many}")
            report.figure(f"{name}, {few} to {many}", growth, "exponent")


if __name__ == "__main__":
    main()
