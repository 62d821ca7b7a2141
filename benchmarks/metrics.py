"""Speed and memory of the evaluation.

    python -m benchmarks.metrics                     # all of them
    python -m benchmarks.metrics fid
    python -m benchmarks.metrics rows
    python -m benchmarks.metrics memory
    python -m benchmarks.metrics throughput [CLIP]

`fid` times FID's features against pytorch-fid's own loop, turn by turn in one process, on the same
PNG pictures and random weights of the real network. `rows` aggregates a million metric rows with
DuckDB, from one file and from many. `memory` evaluates more and more clips and prints the process's
peak. `throughput` times each metric on one clip, held against itself; without one a talking head is
rendered.
"""

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
from numpy.typing import NDArray
from PIL import Image

from benchmarks.fresh import fresh, peak_mib
from benchmarks.inputs import render_people
from benchmarks.report import Report, arguments, parse, skipped
from dawn.torchvision_import import prepare_torchvision
from eval.metrics.batches import BATCH
from eval.metrics.catalogue import METRICS
from eval.metrics.networks import Inception2015, to_tensor
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair
from eval.results.conditions import Conditions
from eval.results.measuring import measure
from eval.results.pairing import Generated, Reference, match
from manifests.runs import METRICS as METRIC_COLUMNS
from manifests.schema import schema
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.run import Evaluation, evaluate, results_folder
from tests.films import drift, hum, write_film
from tests.networks import inception_state


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def activations(files: list[Path], network: Inception2015) -> NDArray[np.float32]:
    """Ours, as pytorch-fid's `get_activations`."""
    rows = []
    with torch.inference_mode():
        for begin in range(0, len(files), BATCH):
            chunk = [np.asarray(Image.open(f)) for f in files[begin : begin + BATCH]]
            rows.append(network(to_tensor(np.stack(chunk))).numpy())
    return np.concatenate(rows)


def fid(report: Report, pictures: int, rounds: int) -> None:
    """FID's features, turn by turn with pytorch-fid."""
    prepare_torchvision()
    from pytorch_fid import fid_score, inception

    state = inception_state()
    inception.load_state_dict_from_url = lambda *_, **__: state
    theirs = inception.InceptionV3([3]).eval()
    ours = Inception2015(dict(state), "random")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{k:04d}.png" for k in range(pictures)]
        for file, picture in zip(files, drift(pictures, size=256), strict=True):
            Image.fromarray(picture).save(file)

        def reference() -> NDArray[np.float32]:
            return fid_score.get_activations(files, theirs, BATCH, 2048, "cpu", num_workers=0)

        def here() -> NDArray[np.float32]:
            return activations(files, ours)

        a, b = reference(), here()
        apart = float(np.abs(a - b).max() / np.abs(a).max())
        print(f"largest difference {apart:.1e} of the largest value")
        times = [(seconds(reference), seconds(here)) for _ in range(rounds)]
    rate, floor = (pictures / statistics.median(t[column] for t in times) for column in (1, 0))
    ratio = statistics.median(t[0] / t[1] for t in times)
    print(f"pytorch-fid: {floor:.2f} pictures/s\nhere: {rate:.2f} pictures/s")
    print(f"here / pytorch-fid: {ratio:.2f} (median of {rounds} rounds)")
    report.figure("fid", rate, "pictures/s", floor=floor, ratio=ratio)
    report.figure("fid, largest difference", apart, "share of the largest value")


def metric_rows(count: int) -> pa.Table:
    """Invented rows of four systems."""
    random = np.random.default_rng(0)
    names = [m.definition.name for m in METRICS]
    return pa.table(
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


SUMMARY = (
    "SELECT system, metric, count(value) AS n, avg(value) AS mean, stddev_samp(value) AS sd, "
    "quantile_cont(value, 0.05) AS p5, avg(abs(value - reference)) AS from_real "
    "FROM read_parquet(?) WHERE clip_id IS NOT NULL GROUP BY ALL ORDER BY ALL"
)


def rows(report: Report, count: int, parts: int) -> None:
    """What a summary of so many rows takes, from one file and from many."""
    table, step, whole = metric_rows(count), count // parts, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for files in (1, parts):
            out = Path(folder) / str(files)
            out.mkdir()
            for k in range(files):
                pq.write_table(table.slice(k * step, step if files > 1 else count),
                               out / f"{k}.parquet")  # fmt: skip
            times = [seconds(lambda out=out: summary(out)) for _ in range(5)]  # type: ignore[misc]
            took = statistics.median(times)
            whole = whole or took
            print(f"{count} rows in {files} file(s): {took:.2f} s")
            report.figure(f"rows, {count} in {files} file(s)", took, "s", floor=whole)


def summary(folder: Path) -> list[tuple[object, ...]]:
    """Means and quantiles by system and metric."""
    return duckdb.connect().execute(SUMMARY, [f"{folder}/*.parquet"]).fetchall()


def evaluation(folder: Path, count: int) -> Evaluation:
    """The same short film under so many names."""
    film = write_film(folder / "a.mkv", drift(15, 0, 9), hum(15))
    real = write_film(folder / "b.mkv", drift(15, 1), hum(15))
    names = [f"clip{k:05d}" for k in range(count)]
    return Evaluation(
        pairing=match(
            [Generated(name=n, video=str(film)) for n in names],
            [Reference(name=n, video=str(real)) for n in names],
        ),
        conditions=Conditions.resolve(ProtocolCard(name="memory", size=128, stride=3)),
        wanted=("psnr", "flicker", "fid_mfn128"), system="s", reference="r",
    )  # fmt: skip


def evaluated(count: int) -> tuple[float, float]:
    """Seconds that so many clips take in this process, and its peak in MiB."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        job = evaluation(Path(folder), count)
        took = seconds(lambda: evaluate(job, results_folder(f"{folder}/out"), InProcess()))
    return took, peak_mib()


def memory(report: Report, counts: list[int]) -> None:
    """The peak of a process by the number of clips; the first is what others are held to."""
    first = 0.0
    for count in counts:
        took, peak = fresh(evaluated, count)
        first = first or peak
        print(f"{count} clips: {took:.0f} s, peak {peak:.0f} MiB")
        report.figure(f"memory, {count} clips", peak, "MiB", floor=first)


def throughput(report: Report, clip: Path | None, rendered_s: float) -> None:
    """Seconds of each metric alone."""
    conditions = Conditions.resolve(ProtocolCard(name="throughput"))
    missing = []
    with tempfile.TemporaryDirectory() as folder:
        clip = clip or render_people(Path(folder), [0], rendered_s)[0]
        for metric in METRICS:
            name = metric.definition.name
            if conditions.standing(name).hash is None:
                missing.append(name)
                continue
            settings: ClipSettings = conditions.settings([name])
            pair = Pair("x", Clip(clip, settings), Clip(clip, settings))
            began = time.perf_counter()
            measure(pair, [name])
            took = time.perf_counter() - began
            print(f"{name}: {took:.2f} s for {pair.frames} frames, decoding and faces included")
            report.figure(f"throughput, {name}", took, "s", frames=pair.frames)
    if missing:
        skipped(f"weights are missing for {', '.join(missing)}")


def main() -> None:
    parser = arguments(__doc__)
    kinds = ("all", "fid", "rows", "memory", "throughput")
    parser.add_argument("what", choices=kinds, nargs="?", default="all")
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=1000, help="files of `rows`")
    parser.add_argument("--clips", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--seconds", type=float, default=6.0, help="of the rendered clip")
    parser.add_argument("--threads", type=int, default=1)
    options = parse(parser, pictures=1, rounds=1, rows=1000, parts=2, clips=[1, 2], seconds=0.4)
    torch.set_num_threads(options.threads)
    report, wanted = Report("metrics"), options.what
    if wanted in ("all", "fid"):
        fid(report, options.pictures, options.rounds)
    if wanted in ("all", "rows"):
        rows(report, options.rows, options.parts)
    if wanted in ("all", "memory"):
        memory(report, options.clips)
    if wanted in ("all", "throughput"):
        throughput(report, options.clip, options.seconds)


if __name__ == "__main__":
    main()
