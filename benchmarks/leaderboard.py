"""How long a leaderboard of many clips takes to make, how large it is, how fast it loads.

    python benchmarks/leaderboard.py                 # 5000 clips, 3 systems, every clip metric
    python benchmarks/leaderboard.py --clips 500 --systems 5

Numbers are invented, written and read as results are. Loading is measured in headless Chromium,
where it is installed: from the request to the end of the page's own script.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ writes results and drives browsers

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


def load_seconds(page: Path, size: tuple[int, int]) -> list[float]:
    """Five loads, each from the navigation's start until the page's script has run."""
    with chromium() as chrome:
        resize(chrome, size)
        found = []
        for _ in range(5):
            open_page(chrome, page)
            ready = chrome.execute_script(
                "const [entry] = performance.getEntriesByType('navigation');"
                "return document.querySelector('.clips tbody tr') ? entry.loadEventEnd : NaN"
            )
            found.append(float(ready) / 1000)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--systems", type=int, default=3)
    parser.add_argument("--frames", type=int, default=75, help="of each clip's curves")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = [
            write_system(Path(scratch) / f"s{i}", f"system {i}", options.clips, options.frames, i)
            for i in range(1, options.systems + 1)
        ]
        began = time.monotonic()
        page = make_leaderboard(folders, Path(scratch) / "page")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{options.clips} clips, {options.systems} systems: made in "
            f"{time.monotonic() - began:.1f} s, {page.stat().st_size / 2**20:.1f} MiB, "
            f"peak {peak:.0f} MiB"
        )
        for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
            loads = load_seconds(page, size)
            shown = ", ".join(f"{seconds:.2f}" for seconds in loads)
            print(f"loads in {np.median(loads):.2f} s at {name} width ({shown})")


if __name__ == "__main__":
    main()
