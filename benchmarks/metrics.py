"""Speed and memory of the evaluation.

`python -m benchmarks.metrics fid` times FID's features against pytorch-fid's own loop, turn by turn
in one process, on the same PNG pictures and random weights of the real network.
`… rows` aggregates a million metric rows with DuckDB.
`… memory` evaluates more and more clips and prints the process's peak.
`… throughput CLIP` times each metric on one clip.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from dawn.torchvision_import import prepare_torchvision
from eval.metrics.catalogue import METRICS
from eval.metrics.networks import BATCH, Inception2015, to_tensor
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, Pair, Settings
from eval.results.conditions import Conditions
from eval.results.measuring import measure
from eval.results.pairing import Generated, Reference, match
from manifests.runs import METRICS as METRIC_COLUMNS
from manifests.schema import schema
from pipeline.cluster.tasks import InProcess
from pipeline.evaluate.run import Evaluation, evaluate, results_folder
from tests.films import drift, hum, write_film
from tests.networks import inception_state


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fid(pictures: int, rounds: int) -> None:
    prepare_torchvision()
    from pytorch_fid import fid_score, inception

    state = inception_state()
    inception.load_state_dict_from_url = lambda *_, **__: state
    theirs = inception.InceptionV3([3]).eval()
    ours = Inception2015(dict(state), "random")
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for k, picture in enumerate(drift(pictures, size=256)):
            files.append(Path(folder) / f"{k:04d}.png")
            Image.fromarray(picture).save(files[-1])

        def reference() -> np.ndarray:
            return fid_score.get_activations(files, theirs, BATCH, 2048, "cpu", num_workers=0)

        def here() -> np.ndarray:
            rows = []
            with torch.inference_mode():
                for begin in range(0, len(files), BATCH):
                    chunk = [np.asarray(Image.open(f)) for f in files[begin : begin + BATCH]]
                    rows.append(ours(to_tensor(np.stack(chunk))).numpy())
            return np.concatenate(rows)

        a, b = reference(), here()
        print(
            f"largest difference {np.abs(a - b).max() / np.abs(a).max():.1e} of the largest value"
        )
        times = [(seconds(reference), seconds(here)) for _ in range(rounds)]
    for name, column in (("pytorch-fid", 0), ("here", 1)):
        median = statistics.median(t[column] for t in times)
        print(f"{name}: {pictures / median:.2f} pictures/s")
    ratio = statistics.median(t[0] / t[1] for t in times)
    print(f"here / pytorch-fid: {ratio:.2f} (median of {rounds} rounds)")


def rows(count: int) -> None:
    random = np.random.default_rng(0)
    names = [m.definition.name for m in METRICS]
    table = pa.table(
        {
            "system": np.array(["a", "b", "c", "d"])[random.integers(0, 4, count)],
            "metric": np.array(names)[random.integers(0, len(names), count)],
            "conditions_hash": ["0" * 16] * count,
            "clip_id": [f"clip{k % 25_000:05d}" for k in range(count)],
            "speaker": [f"s{k % 200}" for k in range(count)],
            "value": random.normal(size=count), "reference": random.normal(size=count),
            "n": np.ones(count, np.int32), "n_total": np.ones(count, np.int32),
            "status": ["paper"] * count, "reason": [None] * count,
        },
        schema(METRIC_COLUMNS),
    )  # fmt: skip
    sql = (
        "SELECT system, metric, count(value) AS n, avg(value) AS mean, stddev_samp(value) AS sd, "
        "quantile_cont(value, 0.05) AS p5, avg(abs(value - reference)) AS from_real "
        "FROM read_parquet(?) WHERE clip_id IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, f"{folder}/all.parquet")
        for parts in (1, 1000):
            pattern = f"{folder}/all.parquet"
            if parts > 1:
                out = Path(folder) / "parts"
                out.mkdir()
                for k in range(parts):
                    step = count // parts
                    pq.write_table(table.slice(k * step, step), out / f"{k}.parquet")
                pattern = f"{out}/*.parquet"
            query = lambda pattern=pattern: duckdb.connect().execute(sql, [pattern]).fetchall()  # noqa: E731
            times = [seconds(query) for _ in range(5)]
            print(f"{count} rows in {parts} file(s): {statistics.median(times):.2f} s")


def memory(counts: list[int]) -> None:
    card = ProtocolCard(name="memory", size=128, stride=3)
    conditions = Conditions.resolve(card)
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(Path(folder) / "a.mkv", drift(15, 0, 9), hum(15))
        real = write_film(Path(folder) / "b.mkv", drift(15, 1), hum(15))
        for count in counts:
            names = [f"clip{k:05d}" for k in range(count)]
            job = Evaluation(
                pairing=match(
                    [Generated(name=n, video=str(film)) for n in names],
                    [Reference(name=n, video=str(real)) for n in names],
                ),
                conditions=conditions, wanted=("psnr", "flicker", "fid_mfn128"),
                system="s", reference="r",
            )  # fmt: skip
            took = seconds(
                lambda job=job, count=count: evaluate(
                    job, results_folder(f"{folder}/{count}"), InProcess()
                )
            )
            print(f"{count} clips: {took:.0f} s, peak so far {peak_mb():.0f} MB")


def peak_mb() -> float:
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1]) / 1024


def throughput(clip: Path) -> None:
    conditions = Conditions.resolve(ProtocolCard(name="throughput"))
    for metric in METRICS:
        name = metric.definition.name
        if conditions.standing(name).hash is None:
            print(f"{name}: weights are missing")
            continue
        settings: Settings = conditions.settings([name])
        pair = Pair("x", Clip(clip, settings), Clip(clip, settings))
        took = seconds(lambda pair=pair, name=name: measure(pair, [name]))
        print(f"{name}: {took:.2f} s for {pair.frames} frames, decoding and faces included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fid", "rows", "memory", "throughput"))
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.what == "fid":
        fid(options.pictures, options.rounds)
    elif options.what == "rows":
        rows(1_000_000)
    elif options.what == "memory":
        memory([50, 100, 200, 400])
    else:
        throughput(options.clip)


if __name__ == "__main__":
    main()
