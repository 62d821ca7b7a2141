"""How fast training is: samples a second of each stage, waiting for data, one worker and two.

The share of time that a step waits for data says whether the loader keeps up. Times of one and two
workers are taken turn by turn in one run, because the machine may be shared.

    python benchmarks/train.py                     # tiny networks, rendered footage
    python benchmarks/train.py --dataset ROOT --preset 128 --steps 20 --gpus-per-worker 1
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import pyarrow.parquet as pq
import torch

from dawn.recipe import IngestConfig, Recipe
from dawn.synthetic.footage import Kind, render_clip
from dawn.training.config import STAGES, preset
from dawn.training.task import plan
from manifests.store import Dataset
from pipeline.cluster.tasks import InProcess, OnRay
from pipeline.ingest.run import adopt, ingest
from pipeline.ingest.sources import find_sources
from pipeline.train.run import Resources, train


def rendered(folder: Path) -> str:
    """A dataset of four people."""
    footage, root = folder / "footage", folder / "dataset"
    footage.mkdir()
    for number in (0, 2, 3, 4):
        kind = Kind(f"person{number}", "a talking head", people=(number,))
        render_clip(footage / f"{kind.name}.mp4", kind, seconds=6.0)
    listing = folder / "list.csv"
    lines = [
        f"{path},{'val' if n == 0 else 'train'}" for n, path in enumerate(footage.glob("*.mp4"))
    ]
    listing.write_text("path,split\n" + "\n".join(lines) + "\n")
    dataset, recipe = Dataset(str(root)), Recipe.resolve(IngestConfig(use_weights=False))
    adopt(dataset, recipe, update=False)
    ingest(find_sources([str(listing)]), dataset, recipe, InProcess())
    return str(root)


def rate(run: Path) -> tuple[float, float]:
    """Steps a second between the first and the last recorded step, and the waiting share."""
    rows = pq.read_table(run / "metrics.parquet").to_pylist()
    losses = [row for row in rows if row["name"] == "loss"]
    first, last = losses[0], losses[-1]
    waiting = next(row["value"] for row in reversed(rows) if row["name"] == "val/wait_share")
    return (last["step"] - first["step"]) / (last["wall_s"] - first["wall_s"]), waiting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", help="your own dataset instead of rendered footage")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--gpus-per-worker", type=float, default=0.0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        root = options.dataset or rendered(folder)
        session = OnRay()
        lfg = None
        for stage in STAGES:
            rates = {}
            for workers in (1, 2):
                config = preset(stage, options.preset)
                run = replace(
                    config.run,
                    steps=options.steps,
                    validate_every=options.steps,
                    validation_clips=2,
                )
                config = replace(config, run=run)
                out = folder / f"{stage}-{workers}"
                task = plan(stage, config, root, str(out), lfg, None)
                began = time.monotonic()
                resources = Resources(workers=workers, gpus_per_worker=options.gpus_per_worker)
                train(task, resources, resume=False)
                steps, waiting = rate(out)
                rates[workers] = steps * config.run.batch
                print(
                    f"{stage}, {workers} worker(s): {rates[workers]:.1f} samples/s, {waiting:.1%} "
                    f"waiting for data, {time.monotonic() - began:.0f} s with start and end"
                )
            print(f"{stage}: two workers against one {rates[2] / rates[1]:.2f}x")
            if stage == "lfg":
                lfg = str(folder / "lfg-1/model/lfg")
        if torch.cuda.is_available():
            print(f"peak GPU memory: {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB")
        session.close()


if __name__ == "__main__":
    main()
