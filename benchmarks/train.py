"""How fast training is: samples a second of each stage, waiting for data, one worker and two.

The share of time that a step waits for data says whether the loader keeps up. Times of one and two
workers are taken turn by turn in one run, because the machine may be shared.

    python -m benchmarks.train                     # tiny networks, rendered footage
    python -m benchmarks.train --dataset ROOT --preset 128 --steps 20 --gpus-per-worker 1
    python -m benchmarks.train --device cuda --preset 128 --precision bfloat16

With `--device` each stage trains in this process for some seconds, on clips that are made
(`benchmarks.train_step`), and peak memory is told. This needs no Ray and no dataset.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import pyarrow.parquet as pq
import torch

from benchmarks.report import Report, arguments, parse
from benchmarks.train_step import measure_stage
from dawn.training.stages import stage_named, stages
from dawn.training.task import TrainingTask, plan

SPLITS = {0: "val", 2: "train", 3: "train", 4: "train"}


def rate(run: Path) -> tuple[float, float]:
    """Steps a second between the first and the last recorded step, and the waiting share."""
    rows = pq.read_table(run / "metrics.parquet").to_pylist()
    losses = [row for row in rows if row["name"] == "loss"]
    first, last = losses[0], losses[-1]
    waiting = next(row["value"] for row in reversed(rows) if row["name"] == "val/wait_share")
    return (last["step"] - first["step"]) / (last["wall_s"] - first["wall_s"]), waiting


def task_of(
    stage: str, options: argparse.Namespace, root: str, out: Path, lfg: str | None
) -> TrainingTask:
    """A run of so many steps that is validated at its end alone."""
    config = stage_named(stage).preset(options.preset)
    run = replace(config.run, steps=options.steps, validate_every=options.steps, validation_clips=2)
    if options.smoke:
        run = replace(run, batch=2, loader_workers=0)
    return plan(stage, replace(config, run=run), root, str(out), lfg, None)


def race(report: Report, stage: str, options: argparse.Namespace, root: str, folder: Path) -> None:
    """One stage with each number of workers; the first is what others are held against."""
    from pipeline.train.run import Resources, train

    rates: dict[int, float] = {}
    lfg = folder / f"lfg-{options.workers[0]}/model/lfg"
    for workers in options.workers:
        out = folder / f"{stage}-{workers}"
        task = task_of(stage, options, root, out, str(lfg) if lfg.exists() else None)
        began = time.monotonic()
        gpus = options.gpus_per_worker
        train(task, Resources(workers=workers, gpus_per_worker=gpus), resume=False)
        steps, waiting = rate(out)
        rates[workers] = steps * task.config.run.batch
        print(
            f"{stage}, {workers} worker(s): {rates[workers]:.1f} samples/s, {waiting:.1%} "
            f"waiting for data, {time.monotonic() - began:.0f} s with start and end"
        )
        case, first = f"{stage}, {workers} worker(s)", rates[options.workers[0]]
        report.figure(case, rates[workers], "samples/s", floor=first, waiting_share=waiting)
    for workers in options.workers[1:]:
        speedup = rates[workers] / rates[options.workers[0]]
        print(f"{stage}: {workers} workers against {options.workers[0]}: {speedup:.2f}x")


def here(report: Report, options: argparse.Namespace) -> None:
    """Each stage in this process, on one device."""
    for stage in options.stages:
        found = measure_stage(
            stage, options.preset, options.batch, options.precision, options.device,
            options.seconds, workers=options.loaders,
        )  # fmt: skip
        print(
            f"{stage}, batch {found['batch']}, {options.precision} on {options.device}: "
            f"{found['samples_per_s']:.1f} samples/s, {found['wait_share']:.1%} waiting for data, "
            f"{found['peak_mib'] / 1024:.1f} GiB at the peak"
        )
        rate = found.pop("samples_per_s")
        report.figure(f"{stage}, {options.precision}", rate, "samples/s", **found)


def on_ray(report: Report, options: argparse.Namespace) -> None:
    """Each stage with each number of workers, on footage."""
    from benchmarks.inputs import make_dataset
    from pipeline.cluster.tasks import OnRay

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        people = dict(list(SPLITS.items())[:3]) if options.smoke else SPLITS
        root = options.dataset or make_dataset(folder, people, 2.0 if options.smoke else 6.0)
        session = OnRay()
        for stage in options.stages:
            race(report, stage, options, root, folder)
        session.close()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--dataset", help="your own dataset instead of rendered footage")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--stages", nargs="+", choices=[*stages()], default=[*stages()])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--gpus-per-worker", type=float, default=0.0)
    parser.add_argument("--device", help="train in this process, on made clips")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--batch", type=int, help="with --device; else the preset's")
    parser.add_argument("--seconds", type=float, default=20.0, help="with --device, a stage")
    parser.add_argument("--loaders", type=int, default=0, help="with --device, loader processes")
    options = parse(parser, stages=["pbnet"], workers=[1], steps=10)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    report = Report("train")
    if options.device:
        here(report, options)
    else:
        on_ray(report, options)


if __name__ == "__main__":
    main()
