"""How time, memory and requests grow with the videos.

    python -m benchmarks.scale --sizes 1000 10000

`--people 4000 16000` looks at the split alone: who 512 new faces are among so many people, and all
of these people at once. `--rows 10000 100000` makes leaderboards of so many metric rows. `--bucket
100 1000` counts what an object store is asked, of an S3 server on this machine.

Rows are synthetic, one clip of one frame a video with fingerprints as of four seconds, in merged
parts, written and asked through the project's own code; each step runs in a process of its own,
whose peak of memory is its own. The last lines are the exponents from each size to the next: 1 is
linear. Of few videos, fewer than 512 come new.
"""

import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bucket import Log
from benchmarks.fresh import peak_mib
from benchmarks.leaderboard import write_system
from benchmarks.many_rows import Staging, fill, path_of, recipe, sources, video_name
from benchmarks.report import Report, arguments, is_smoke, parse
from dawn.curation.splits import Identities, SplitConfig, assign
from dawn.features.faces.identity import EMBEDDING
from eval.metrics.catalogue import METRICS
from eval.metrics.interface import Measure
from manifests.catalog import connect, query
from manifests.compact import compact
from manifests.store import Dataset
from pipeline.evaluate.leaderboard import make_leaderboard
from pipeline.ingest.asked_splits import Asks
from pipeline.ingest.committed import Committed
from pipeline.ingest.judging import Judge, ToJudge
from pipeline.ingest.run import Summary, ingest
from pipeline.ingest.steps import VideoTask, finish
from tests.buckets import new_bucket, s3_server

ROWS_PER_FILE = 20_000
NEW = 512
MOST_LOOSE = 1000
"""Videos up to which a tenth of a size is ingested: each has files of its own."""
SYSTEMS = 2


class Clock:
    """How long a step takes, and how long it keeps processors busy."""

    def begin(self) -> None:
        """From now on: what made a step's input does not count."""
        self._at, self._busy = time.perf_counter(), time.process_time()

    def took(self) -> dict[str, float]:
        """Seconds that passed, and seconds of processors."""
        return {"s": time.perf_counter() - self._at, "cpu": time.process_time() - self._busy}


CLOCK = Clock()


def between(root: str, new: int, count: int, lot: int) -> None:
    """Ingest new videos, whose ids lie among those of `count` others."""
    step = max(1, count // new)
    names = [video_name(number * step, lot) for number in range(new)]
    dataset = Dataset(root)
    done = ingest(sources(names), dataset, recipe(), Staging(dataset))
    expect(done, {"ok": new})


def new_of(count: int) -> int:
    """How many come new to so many: 512, but for the smallest datasets."""
    return min(NEW, count // 2)


def again(root: str, count: int) -> None:
    """Ingest what is there, of which nothing changed."""
    names = [video_name(number) for number in range(count)]
    done = ingest(sources(names), Dataset(root), recipe(), Staging(Dataset(root)))
    expect(done, {"unchanged": count})


def expect(done: Summary, outcomes: dict[str, int]) -> None:
    """See that a step did what it is to measure."""
    if done.outcomes != outcomes:
        raise RuntimeError(f"{done.outcomes} instead of {outcomes}")


def judged(root: str, count: int) -> None:
    """Judge new videos against all; nothing is committed."""
    dataset, made = Dataset(root), recipe()
    with dataset.writing() as session:
        videos = []
        for number in range(new := new_of(count)):
            name = video_name(number * (count // new), lot=9)
            work = VideoTask(root, str(session.scratch), made, name, path_of(name), 1, "", ())
            staged = Staging(dataset)
            staged.submit(name, finish, work)
            ((_, facts),) = staged.results()
            videos.append(ToJudge(work, [name], facts["clips_total"], None))
        CLOCK.begin()
        Judge(dataset, made, Asks({}, frozenset()), Committed(dataset)).judge(videos)
        dataset.delete_folder(".staged")


def tenth(root: str, count: int) -> None:
    """A tenth as many again."""
    between(root, max(1, count // 10), count, lot=3)


def table(folder: str, rows: int) -> None:
    """A leaderboard of so many metric rows."""
    metrics = sum(isinstance(metric, Measure) for metric in METRICS)
    clips = max(10, rows // (SYSTEMS * metrics))
    found = [
        write_system(Path(folder) / f"s{i}", f"system {i}", clips, 10, i) for i in range(SYSTEMS)
    ]
    CLOCK.begin()
    make_leaderboard(found, Path(folder) / "page")


def people(count: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """Clips of people who look like nobody else, each with an embedding of its own."""
    random = np.random.default_rng(first)
    for number in range(first, first + count):
        face = random.standard_normal(EMBEDDING).astype(np.float32)
        yield {"clip_id": f"c{number:09d}", "video_id": f"v{number}", "speaker": None,
               "asked_split": None, "source_name": "", "embedding": face}  # fmt: skip


def appended(_: str, count: int) -> None:
    """The split of 512 new faces among so many people."""
    known = Identities()
    for clip in people(count):
        known.add(f"face:{clip['clip_id']}", "train", clip["embedding"])
    clips = list(people(512, count))
    CLOCK.begin()
    assign(clips, known, SplitConfig())


SPLITS: dict[str, Callable[[str, int], object]] = {
    "split of 512": appended,
    "split of all": lambda _, count: assign([*people(count)], Identities(), SplitConfig()),
}
STEPS: dict[str, Callable[[str, int], object]] = {
    "fill": fill,
    "open": lambda root, _: connect(Dataset(root)),
    "list": lambda root, _: query(Dataset(root), "SELECT video_id, sources, status FROM videos"),
    "funnel()": lambda root, _: query(Dataset(root), "FROM funnel()"),
    "no-op rerun": again,
    "judge 512": judged,
    "append 512": lambda root, count: between(root, new_of(count), count, lot=1),
    "compact after 512": lambda root, _: compact(Dataset(root), ROWS_PER_FILE),
    "append 1": lambda root, count: between(root, 1, count, lot=2),
    "compact after 1": lambda root, _: compact(Dataset(root), ROWS_PER_FILE),
    "append a tenth": tenth,
    "funnel() of a tenth that is loose": lambda root, _: query(Dataset(root), "FROM funnel()"),
    "compact after a tenth": lambda root, _: compact(Dataset(root), ROWS_PER_FILE),
}
BOARDS: dict[str, Callable[[str, int], object]] = {"leaderboard": table}


def measured(step: str, root: str, count: int) -> dict[str, float]:
    """What one step takes in a process of its own; in a smoke run only that it runs matters."""
    if is_smoke():
        return do(step, root, count)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--step", step, root, str(count)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def do(step: str, root: str, count: int) -> dict[str, float]:
    """One step, and what it took."""
    CLOCK.begin()
    (STEPS | SPLITS | BOARDS)[step](root, count)
    return CLOCK.took() | {"mib": peak_mib()}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", nargs="*", type=int, help="videos; default: 1000 10000")
    for name, what in (
        ("people", "the split alone, of so many"),
        ("rows", "leaderboards of so many metric rows"),
        ("bucket", "videos in an object store, whose requests are counted"),
    ):
        parser.add_argument(f"--{name}", nargs="+", type=int, default=[], help=what)
    parser.add_argument("--step", nargs=3, metavar=("NAME", "ROOT", "COUNT"), help="one, here")
    options = parse(parser, sizes=[20, 40], people=[20, 40], rows=[], bucket=[])
    if options.step is not None:
        name, root, count = options.step
        print(json.dumps(do(name, root, int(count))))
        return
    report = Report("scale")
    others = options.people or options.rows or options.bucket
    grow(report, options.sizes or ([] if others else [1000, 10_000]), STEPS)
    grow(report, options.people, SPLITS)
    grow(report, options.rows, BOARDS)
    if options.bucket:
        with tempfile.TemporaryDirectory() as scratch, s3_server(Path(scratch)) as server:
            os.environ.update(server)
            asked(report, Log(Path(scratch) / "s3.log"), options.bucket)


def grow(
    report: Report, sizes: list[int], steps: Mapping[str, Callable[[str, int], object]]
) -> None:
    """Each step at each size, and the exponents from one to the next: of the processors' time,
    since others may use them and the disk.
    """
    busy, sizes = {}, sorted(sizes)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for name in steps:
                if "a tenth" in name and size // 10 > MOST_LOOSE:
                    print(f"{name}: not run, of {size}")
                    continue
                one = measured(name, f"{folder}/d", size)
                busy[name, size] = one["cpu"]
                print(
                    f"{name}: of {size}: {one['cpu']:.2f} s of a processor, {one['s']:.2f} s, "
                    f"peak {one['mib']:.0f} MiB",
                    flush=True,
                )
                more = {"peak_mib": one["mib"], "passed_s": one["s"]}
                report.figure(f"{name}, of {size}", one["cpu"], "s of a processor", **more)
    for few, many in itertools.pairwise(sizes):
        for name in steps:
            if (name, many) in busy:
                ratio = busy[name, many] / busy[name, few]
                growth = math.log(ratio) / math.log(many / few)
                print(f"{name}: exponent {growth:.2f} from {few} to {many}")
                report.figure(f"{name}, {few} to {many}", growth, "exponent")


def asked(report: Report, log: Log, sizes: list[int]) -> None:
    """How many requests each step makes of an object store, at each size."""
    for size in sizes:
        root = f"{new_bucket()}/data"
        for name in STEPS:
            log.new()
            measured(name, root, size)
            requests = log.new()
            print(f"{name}: of {size}: {requests} requests", flush=True)
            report.figure(f"{name}, of {size} in a bucket", requests, "requests")


if __name__ == "__main__":
    main()
