"""How fast is ingest, against the least that any such program must do?

The floor is the plain loop of `benchmarks.plain_loop`, on one core: PyAV decodes each frame,
MediaPipe's face mesh looks at it, PyAV encodes it with x264 at the clip's size. It is written from
these libraries' documentation and uses nothing of this project. Ours does that and finds cuts and
faces, crops, reads sound, measures, filters and commits. All are timed in one run, turn by turn,
because the machine may be shared; the ratios count, not the seconds.

    python -m benchmarks.ingest                    # speed: floor, one worker, two workers
    python -m benchmarks.ingest --memory           # a worker's peak memory: 1 and 10 minutes
    python -m benchmarks.ingest --scores           # what each score costs, in processor time
    python -m benchmarks.ingest --footage FOLDER   # your own videos instead of rendered ones
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch

from benchmarks.fresh import fresh, peak_mib
from benchmarks.inputs import ingest_here, render_people
from benchmarks.plain_loop import loop_seconds
from benchmarks.report import Report, arguments, parse
from dawn.curation.extraction import ExtractConfig, extract_span
from dawn.curation.networks import measure
from dawn.features.rates import FPS
from dawn.features.sound.read import read_sound
from dawn.features.sound.speech import speech_probability
from dawn.features.video.decode import read_pictures
from dawn.features.video.jumps import grey_picture, largest_jump
from dawn.features.video.probe import probe
from dawn.features.video.shots import ShotDetector
from dawn.recipe import IngestConfig, Recipe
from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.cluster.tasks import OnRay, prepare_worker
from pipeline.ingest.adopt import adopt
from pipeline.ingest.run import ingest
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


def scores(report: Report, path: Path, rounds: int, scratch: Path) -> None:
    """Processor time of this process that each score takes, the least of some rounds."""
    prepare_worker()
    config, info = ExtractConfig(), probe(path)
    clips = extract_span(path, info, 0, info.frames, config, scratch).clips
    minutes = info.frames / FPS / 60
    pictures = [(p.number, p.image) for p in read_pictures(path, info, max_side=192)]
    sound = read_sound(path, info, 0, info.frames)

    def find_shots() -> None:
        detector = ShotDetector(config.shots)
        for number, image in pictures:
            detector.add(number, image)

    def measured(*networks: str, hands: bool = False) -> Callable[[], None]:
        def run() -> None:
            for clip in clips:
                measure(clip, networks, hands=hands)

        return run

    work: dict[str, Callable[[], object]] = {
        "shots": find_shots,
        "speech": lambda: speech_probability(sound),
        "jump": lambda: largest_jump([grey_picture(image) for _, image in pictures]),
        "hand": measured(hands=True),
    }
    networks = Recipe.resolve(IngestConfig()).weights.keys() - {"hubert"}
    work |= {name: measured(name) for name in sorted(networks)}
    print("processor seconds for a minute of footage, by score:")
    for name, run in work.items():
        run()  # loads the network
        least = min(_processor_seconds(run) for _ in range(rounds)) / minutes
        print(f"  {name:>8}: {least:.2f}")
        report.figure(f"score {name}", least, "s/min of footage")


def _processor_seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


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
    parser.add_argument("--scores", action="store_true", help="measure each score instead")
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
        if options.scores or options.smoke:
            scores(report, videos[0], options.rounds, Path(folder))
        if not options.scores:
            speed(report, videos, options.rounds)


if __name__ == "__main__":
    main()
