"""How fast is ingest, against the least that any such program must do?

The floor is a plain single-threaded loop over the same footage: decode each frame, run the face
mesh on it, encode it at the clip's size. Ours does that and finds cuts and faces, crops, reads
sound, measures, filters and commits. All are timed in one run, turn by turn, because the
machine may be shared; the ratios count, not the seconds.

    python benchmarks/ingest.py                    # speed: floor, one worker, two workers
    python benchmarks/ingest.py --memory           # a worker's peak memory: 1 and 10 minutes
    python benchmarks/ingest.py --footage FOLDER   # your own videos instead of rendered ones
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch

from dawn.features.faces.landmarks import FaceMesh
from dawn.features.rates import FPS
from dawn.features.video.decode import probe, read_frames
from dawn.features.video.encode import ClipWriter
from dawn.recipe import IngestConfig, Recipe
from dawn.synthetic.footage import Kind, render_clip
from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.cluster.tasks import OnRay
from pipeline.ingest.run import adopt, ingest
from pipeline.ingest.sources import find_sources


def render(folder: Path, count: int, seconds: float) -> None:
    """Talking heads of different people."""
    for number in range(count):
        kind = Kind(f"person{number}", "a talking head", people=(number,))
        render_clip(folder / f"{kind.name}.mp4", kind, seconds=seconds)


def floor(videos: list[Path], scratch: Path) -> float:
    """Seconds of the plain loop."""
    begin = time.perf_counter()
    for path in videos:
        info = probe(path)
        with FaceMesh() as mesh, ClipWriter(scratch / "floor.mp4", 256) as writer:
            for _, frame in read_frames(path, info):
                mesh.detect(frame)
                writer.add(cv2.resize(frame, (256, 256), interpolation=cv2.INTER_LINEAR))
            writer.add_sound(np.zeros(16000, np.float32))
    return time.perf_counter() - begin


def ours(videos: list[Path], root: Path, workers: int) -> tuple[float, Dataset]:
    """Seconds of an ingest into a new dataset; Ray runs already."""
    dataset = Dataset(str(root))
    recipe = Recipe.resolve(IngestConfig(use_weights=False))
    adopt(dataset, recipe, update=False)
    begin = time.perf_counter()
    ingest(find_sources(map(str, videos)), dataset, recipe, OnRay(workers))
    return time.perf_counter() - begin, dataset


def speed(videos: list[Path], rounds: int) -> None:
    """Print floor, one worker and two workers, and the seconds of each step."""
    frames = sum(probe(path).frames for path in videos)
    print(f"{len(videos)} videos, {frames} frames, {frames / FPS / 60:.2f} minutes of footage")
    os.environ.setdefault("RAY_worker_niceness", "0")  # else the floor alone runs unhindered
    session = OnRay(2)
    times: dict[str, list[float]] = {"floor": [], "1 worker": [], "2 workers": []}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        floor(videos[:1], scratch)  # the first call of each loads models
        ours(videos[:2], scratch / "warm", 2)
        for turn in range(rounds):
            times["floor"].append(floor(videos, scratch))
            for workers in (1, 2):
                name = f"{workers} worker{'s' if workers > 1 else ''}"
                seconds, dataset = ours(videos, scratch / f"{turn}-{workers}", workers)
                times[name].append(seconds)
        best = {name: min(values) for name, values in times.items()}
        for name, seconds in best.items():
            rate = frames / seconds
            print(
                f"{name:>10}: {seconds:6.2f} s, {rate:6.1f} frames/s, "
                f"{rate / (frames / best['floor']):.2f} of the floor's speed"
            )
        print(f"two workers against one: {best['1 worker'] / best['2 workers']:.2f}x")
        print("seconds of one core for a minute of footage, by step:")
        sql = (
            "SELECT step, sum(seconds) / sum(footage_s) * 60 AS s FROM timings "
            "GROUP BY step ORDER BY s DESC"
        )
        for row in rows(dataset, sql):
            print(f"  {row['step']:>8}: {row['s']:.2f}")
        size = dataset.fs.du(dataset.path)
        print(f"  {size / (frames / FPS / 60) / 1e6:.1f} MB a minute of footage")
    session.close()


def _peak(path: Path, root: Path, queue: "multiprocessing.Queue[float]") -> None:
    from pipeline.cluster.tasks import InProcess, prepare_worker

    prepare_worker()
    torch.set_num_threads(1)
    dataset = Dataset(str(root))
    recipe = Recipe.resolve(IngestConfig(use_weights=False))
    adopt(dataset, recipe, update=False)
    ingest(find_sources([str(path)]), dataset, recipe, InProcess())
    # Not ru_maxrss: that begins with what the parent held when it forked.
    status = Path("/proc/self/status").read_text()
    queue.put(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def memory(scratch: Path) -> None:
    """Print a process's peak memory on one and on ten minutes of footage."""
    peaks = []
    for minutes in (1, 10):
        path = scratch / f"{minutes}.mp4"
        render_clip(path, Kind("long", "a talking head", people=(0,)), seconds=60.0 * minutes)
        context = multiprocessing.get_context("spawn")
        queue: multiprocessing.Queue[float] = context.Queue()
        process = context.Process(target=_peak, args=(path, scratch / f"d{minutes}", queue))
        process.start()
        peaks.append(queue.get())
        process.join()
        print(f"{minutes:>2} min: {peaks[-1]:.0f} MiB")
    print(f"ratio: {peaks[1] / peaks[0]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--footage", type=Path, help="videos to use instead of rendered ones")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each rendered one")
    parser.add_argument("--videos", type=int, default=6, help="how many are rendered")
    parser.add_argument("--rounds", type=int, default=2, help="turns; the best of each counts")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"{psutil.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            memory(Path(folder))
            return
        source = options.footage or Path(folder)
        if options.footage is None:
            render(source, options.videos, options.seconds)
        speed([entry.path for entry in find_sources([str(source)])], options.rounds)


if __name__ == "__main__":
    main()
