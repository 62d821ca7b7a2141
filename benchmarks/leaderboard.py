"""How long a leaderboard of many clips takes to make, how large it is, how fast it loads.

    python -m benchmarks.leaderboard                 # 5000 clips, 3 systems, every clip metric
    python -m benchmarks.leaderboard --clips 500 --systems 5

Numbers are invented, written and read as results are. Loading is measured in headless Chromium,
where it is installed: from the request to the end of the page's own script.
"""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.fresh import peak_mib
from benchmarks.report import Report, arguments, parse, skipped
from eval.metrics.catalogue import METRICS
from eval.metrics.face_distance import FACE_DISTANCE
from eval.metrics.interface import Measure
from pipeline.evaluate.leaderboard import make_leaderboard
from tests.browser import DESKTOP, PHONE, chromium, open_page, resize
from tests.results_folders import write_results


def write_system(folder: Path, name: str, clips: int, frames: int, seed: int) -> str:
    """Every clip metric, two set metrics and curves of so many frames a clip."""
    random, shared = np.random.default_rng(seed), np.random.default_rng(0)
    measures = [metric for metric in METRICS if isinstance(metric, Measure)]
    base = {m.definition.name: shared.normal(1, 0.2, clips) for m in measures}
    values = {name: numbers + random.normal(0, 0.1, clips) for name, numbers in base.items()}
    closer = [m.definition.name for m in measures if m.definition.direction == "closer"]
    shape = (clips, 2, 128)
    turns = shared.uniform(2, 30, clips)
    rows = [
        {
            "clip_id": f"speaker{i // 10:04d}-clip{i:05d}", "duration_s": frames / 25,
            "yaw_p95": float(turns[i]), "real_time_factor": float(random.uniform(0.5, 2)),
            "mouth_generated": random.random(frames), "mouth_reference": random.random(frames),
            "loudness": random.random(frames), "csim": random.random(frames // 5),
        }
        for i in range(clips)
    ]  # fmt: skip
    write_results(
        folder, values, system=name, references={name: base[name] for name in closer},
        speakers=[f"speaker{i // 10}" for i in range(clips)], clips=rows,
        features={FACE_DISTANCE.feature: (random.normal(0, 1, shape), shared.normal(0, 1, shape))},
        set_metrics=["fid_mfn128"],
    )  # fmt: skip
    return str(folder)


def load_seconds(page: Path, size: tuple[int, int], loads: int) -> list[float]:
    """Several loads, each from the navigation's start until the page's script has run."""
    with chromium() as chrome:
        resize(chrome, size)
        found = []
        for _ in range(loads):
            open_page(chrome, page)
            ready = chrome.execute_script(
                "const [entry] = performance.getEntriesByType('navigation');"
                "return document.querySelector('.clips tbody tr') ? entry.loadEventEnd : NaN"
            )
            found.append(float(ready) / 1000)
        return found


def load(report: Report, page: Path, loads: int) -> None:
    """How fast the page loads at two widths."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        skipped("loading needs chromium and chromedriver")
        return
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        times = load_seconds(page, size, loads)
        shown = ", ".join(f"{seconds:.2f}" for seconds in times)
        print(f"loads in {np.median(times):.2f} s at {name} width ({shown})")
        report.figure(f"load, {name} width", float(np.median(times)), "s")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--systems", type=int, default=3)
    parser.add_argument("--frames", type=int, default=75, help="of each clip's curves")
    parser.add_argument("--loads", type=int, default=5)
    options = parse(parser, clips=12, systems=2, frames=10, loads=1)
    report = Report("leaderboard")
    with tempfile.TemporaryDirectory() as scratch:
        folders = [
            write_system(Path(scratch) / f"s{i}", f"system {i}", options.clips, options.frames, i)
            for i in range(1, options.systems + 1)
        ]
        began = time.monotonic()
        page = make_leaderboard(folders, Path(scratch) / "page")
        took, size, peak = time.monotonic() - began, page.stat().st_size / 2**20, peak_mib()
        case = f"{options.clips} clips, {options.systems} systems"
        print(f"{case}: made in {took:.1f} s, {size:.1f} MiB, peak {peak:.0f} MiB")
        report.figure(f"{case}: made", took, "s")
        report.figure(f"{case}: page", size, "MiB")
        report.figure(f"{case}: memory", peak, "MiB")
        load(report, page, options.loads)


if __name__ == "__main__":
    main()
