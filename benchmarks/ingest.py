"""How fast is ingest, against the least that any such program must do?

The floor is the plain loop of `benchmarks.plain_loop`, on one core: PyAV decodes each frame,
MediaPipe's face mesh looks at it, PyAV encodes it with x264 at the clip's size. It is written from
these libraries' documentation and uses nothing of this project. Ours does that and finds cuts and
faces, crops, reads sound, measures, filters and commits. All are timed in one run, turn by turn,
because the machine may be shared; the ratios count, not the seconds.

    python -m benchmarks.ingest                    # speed: floor, one worker, two workers
    python -m benchmarks.ingest --memory           # a worker's peak memory: 1 and 10 minutes
    python -m benchmarks.ingest --footage FOLDER   # your own videos instead of rendered ones
"""

import os
import tempfile
import time
from pathlib import Path

import cv2
import torch

from benchmarks.fresh import fresh, peak_mib
from benchmarks.inputs import ingest_here, render_people
from benchmarks.plain_loop import loop_seconds
from benchmarks.report import Report, arguments, parse
from dawn.features.rates import FPS
from dawn.features.video.probe import probe
from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.cluster.tasks import OnRay, prepare_worker
from pipeline.ingest.run import adopt, ingest
from pipeline.ingest.sources import find_sources

CLIP_SIZE = 256
WORKERS = (1, 2)


def floor(videos: list[Path], scratch: Path) -> float:
    """Seconds of the plain loop."""
    return loop_seconds(videos, scratch / "floor.mp4", CLIP_SIZE, FPS)


def ours(videos: list[Path], root: Path, workers: int) -> tuple[float, Dataset]:
    """Seconds of an ingest into a new dataset; Ray runs already."""
    dataset = Dataset(str(root))
    recipe = Recipe.resolve(IngestConfig(use_weights=False))
    adopt(dataset, recipe, update=False)
    begin = time.perf_counter()
    ingest(find_sources(map(str, videos)), dataset, recipe, OnRay(workers))
    return time.perf_counter() - begin, dataset


def turns(videos: list[Path], rounds: int, scratch: Path) -> tuple[dict[str, float], Dataset]:
    """The best seconds of the floor and of each number of workers, and the last dataset."""
    floor(videos[:1], scratch)  # the first call of each loads models
    _, dataset = ours(videos[:2], scratch / "warm", max(WORKERS))
    times: dict[str, list[float]] = {name: [] for name in ("floor", *map(_named, WORKERS))}
    for turn in range(rounds):
        times["floor"].append(floor(videos, scratch))
        for workers in WORKERS:
            seconds, dataset = ours(videos, scratch / f"{turn}-{workers}", workers)
            times[_named(workers)].append(seconds)
    return {name: min(values) for name, values in times.items()}, dataset


def _named(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}"


def speed(report: Report, videos: list[Path], rounds: int) -> None:
    """Floor, one worker and two workers, and the seconds of each step."""
    frames = sum(probe(path).frames for path in videos)
    minutes = frames / FPS / 60
    print(f"{len(videos)} videos, {frames} frames, {minutes:.2f} minutes of footage")
    os.environ.setdefault("RAY_worker_niceness", "0")  # else the floor alone runs unhindered
    session = OnRay(max(WORKERS))
    with tempfile.TemporaryDirectory() as folder:
        best, dataset = turns(videos, rounds, Path(folder))
        least = frames / best["floor"]
        for name, seconds in best.items():
            rate = frames / seconds
            print(f"{name:>10}: {seconds:6.2f} s, {rate:6.1f} frames/s, {rate / least:.2f} "
                  "of the floor's speed")  # fmt: skip
            report.figure(name, rate, "frames/s", floor=least)
        one, two = (frames / best[_named(count)] for count in WORKERS)
        print(f"two workers against one: {two / one:.2f}x")
        report.figure("2 workers against 1", two, "frames/s", floor=one)
        steps(report, dataset, minutes)
    session.close()


def steps(report: Report, dataset: Dataset, minutes: float) -> None:
    """What a minute of footage costs in each step, and on the disk."""
    print("seconds of one core for a minute of footage, by step:")
    sql = (
        "SELECT step, sum(seconds) / sum(footage_s) * 60 AS s FROM timings "
        "GROUP BY step ORDER BY s DESC"
    )
    for row in rows(dataset, sql):
        print(f"  {row['step']:>8}: {row['s']:.2f}")
        report.figure(f"step {row['step']}", row["s"], "s/min of footage")
    size = dataset.fs.du(dataset.path) / minutes / 1e6
    print(f"  {size:.1f} MB a minute of footage")
    report.figure("dataset", size, "MB/min of footage")


def ingest_peak(path: Path, root: Path) -> float:
    """The peak, in MiB, of this process once it has ingested a video."""
    prepare_worker()
    torch.set_num_threads(1)
    ingest_here([path], root)
    return peak_mib()


def memory(report: Report, scratch: Path, lengths: list[float]) -> None:
    """A process's peak memory on each length of footage; the first is what others are held to."""
    peaks: list[float] = []
    for minutes in lengths:
        videos = render_people(scratch / f"{minutes:g}", [0], 60 * minutes)
        peaks.append(fresh(ingest_peak, videos[0], scratch / f"dataset {minutes:g}"))
        print(f"{minutes:>4g} min: {peaks[-1]:.0f} MiB, ratio {peaks[-1] / peaks[0]:.3f}")
        report.figure(f"memory, {minutes:g} min", peaks[-1], "MiB", floor=peaks[0])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--footage", type=Path, help="videos to use instead of rendered ones")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each rendered one")
    parser.add_argument("--videos", type=int, default=6, help="how many are rendered")
    parser.add_argument("--rounds", type=int, default=2, help="turns; the best of each counts")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10], help="with --memory")
    options = parse(parser, seconds=2.0, videos=2, rounds=1, minutes=[0.05])
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    report = Report("ingest")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        if options.memory or options.smoke:
            memory(report, Path(folder), options.minutes)
        if options.memory:
            return
        if options.footage is None:
            videos = render_people(Path(folder) / "people", range(options.videos), options.seconds)
        else:
            videos = [source.path for source in find_sources([str(options.footage)])]
        speed(report, videos, options.rounds)


if __name__ == "__main__":
    main()
