"""Everything that runs on a GPU, measured on one card within a budget of minutes.

    python -m benchmarks.on_gpu --minutes 5
    python -m benchmarks.on_gpu --minutes 12 --sections step generate

Networks have random weights: speed does not depend on them. Each section runs in a process of its
own and is ended when its share of the budget is over; what it measured until then counts. Figures
come as JSON lines while they are measured (see `benchmarks.report`), and as a table in the end,
beside the goals. Nothing here needs more than PyTorch, NumPy, PyAV, OpenCV, PyArrow, SciPy,
safetensors and fsspec.
"""

import argparse
import json
import math
import multiprocessing
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.models import invented_portrait, random_model, write_voice
from benchmarks.report import Report, is_smoke, surroundings

FIGURE = '{"benchmark"'
MARGIN_S = 15
"""Of the budget, for starting processes and the table."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should reach on an H100."""

    bound: float
    at_most: bool

    def says(self, value: float) -> str:
        """Goal and verdict in a cell."""
        met = value <= self.bound if self.at_most else value >= self.bound
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}: {'yes' if met else 'no'}"


GOALS = {
    "step: 200 frames, bfloat16, graph": Goal(15, True),
    "generate: 8 s, bfloat16": Goal(1.0, True),
    "generate: 64 s, bfloat16": Goal(6.0, True),
    "stream: first frame, p95": Goal(0.5, True),
    "batch: 8 s clips": Goal(400, False),
    "train: lfg 128, graph": Goal(1200, False),
    "train: a2v 128, graph": Goal(120, False),
    "train: a2v 128, graph, attention computed again, memory": Goal(12 * 1024, True),
    "agreement: frames in bfloat16": Goal(45, False),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """A section's surroundings."""

    device: torch.device
    preset: str
    until: float
    """On the monotonic clock."""
    report: Report

    def time_left(self) -> float:
        return self.until - time.monotonic()

    def figure(self, case: str, value: float | None, unit: str, **more: object) -> None:
        self.report.figure(case, value, unit, **more)

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def timed(self, function: Callable[[], object], most: int = 10) -> float:
        """Median seconds of a call, after one that is not counted."""
        function()
        times: list[float] = []
        while len(times) < (1 if is_smoke() else most) and (not times or self.time_left() > 0):
            self.synchronize()
            begin = time.perf_counter()
            function()
            self.synchronize()
            times.append(time.perf_counter() - begin)
        return sorted(times)[len(times) // 2]

    def peak(self) -> float | None:
        """MiB that PyTorch held at most since the last call."""
        if self.device.type != "cuda":
            return None
        peak = torch.cuda.max_memory_allocated(self.device) / 2**20
        torch.cuda.reset_peak_memory_stats(self.device)
        return peak


def agreement(bench: Bench) -> None:
    """How far the device's results lie from the CPU's in float32."""
    from dawn.a2v.kernels import without_kernels
    from dawn.layout import channels_last
    from dawn.sampling.noise import frame_noise

    frames = 10 if is_smoke() else 50
    here = random_model(bench.preset, torch.device("cpu")).a2v.diffusion
    unet = here.denoise_fn.config
    side = random_side(bench.preset)
    torch.manual_seed(1)
    z = torch.randn(1, 3, frames, side, side)
    features = torch.randn(1, unet.feature_channels, side, side)
    cond, time_ = torch.randn(1, frames, unet.cond_dim), torch.tensor([500])
    with torch.inference_mode():
        exact = here.denoise_fn(z, features, cond, time_, 40)
        there = here.to(bench.device)
        given = [tensor.to(bench.device) for tensor in (z, features, cond, time_)]
        channels_last(there.denoise_fn)
        for dtype in (torch.float32, torch.bfloat16):
            network = there.denoise_fn.to(dtype)
            fused = network(*given, 40).cpu()
            with without_kernels():
                plain = network(*given, 40).cpu()
            kind = str(dtype).removeprefix("torch.")
            for name, out in (("fused", fused), ("plain", plain)):
                far = float((out - exact).norm() / exact.norm())
                bench.figure(f"agreement: step, {kind}, {name}", far, "of the norm")
    asked = (0, "step", range(3), range(20), (3, 32, 32))
    far = float((frame_noise(*asked, device=bench.device).cpu() - frame_noise(*asked)).abs().max())
    bench.figure("agreement: noise", far, "at most")
    if not is_smoke():
        exact, narrow = (pictures_of(bench, kind) for kind in ("float32", "bfloat16"))
        error = float((exact - narrow).square().mean())
        bench.figure("agreement: frames in bfloat16", -10 * math.log10(error / 255**2), "dB")


def pictures_of(bench: Bench, kind: str) -> torch.Tensor:
    """Two seconds of a video of random weights, (T, S, S, 3)."""
    from dawn.sampling.generate import Timer, render_clip
    from dawn.sampling.settings import GenerateConfig
    from dawn.sampling.voice import read_voice

    model = random_model(bench.preset, bench.device, kind)  # type: ignore[arg-type]
    config = GenerateConfig(dtype=kind)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as name:
        voice = read_voice(write_voice(Path(name) / "voice.wav", 2))
        batches = render_clip(
            model, invented_portrait(model.folder.size), voice, config, 0, Timer(bench.device)
        )
        return torch.cat([batch.pictures.float() for batch in batches])


def random_side(preset: str) -> int:
    """Rows of the latent motion."""
    from benchmarks.models import SIZES

    return SIZES[preset][1].latent_size


def step(bench: Bench) -> None:
    """One denoising step by length, precision, and whether it is replayed as a graph."""
    side = random_side(bench.preset)
    lengths = [5] if is_smoke() else [200, 40, 100, 400, 1000, 2000]
    for dtype in ("bfloat16", "float32"):
        diffusion = random_model(bench.preset, bench.device, dtype).a2v.diffusion  # type: ignore[arg-type]
        for frames in lengths:
            if bench.time_left() < 3:
                return
            with torch.inference_mode(), suppress(torch.OutOfMemoryError):
                time_step(bench, diffusion, side, frames, dtype)


def time_step(bench: Bench, diffusion: Any, side: int, frames: int, dtype: str) -> None:  # noqa: ANN401
    """One length and precision."""
    from dawn.a2v.step import step_for, take_step

    unet = diffusion.denoise_fn.config
    z = torch.randn(1, 3, frames, side, side, device=bench.device)
    features = torch.randn(1, unet.feature_channels, side, side, device=bench.device)
    cond = torch.randn(1, frames, unet.cond_dim, device=bench.device)
    now = torch.tensor([500], device=bench.device)
    row = torch.tensor([[0.5, 0.4, 0.0, 0.1]], device=bench.device)
    prepared = diffusion.prepare(features, cond, 40, 1.0)
    bench.peak()
    eager = bench.timed(lambda: take_step(diffusion, prepared, 1.0, z, z, now, row))
    case = f"step: {frames} frames, {dtype}"
    bench.figure(f"{case}, launched", 1000 * eager, "ms", peak_mib=bench.peak())
    if bench.device.type != "cuda":
        return
    step_for(diffusion, prepared, z, 1.0)
    graph = step_for(diffusion, prepared, z, 1.0)  # the second time one is captured
    replayed = bench.timed(lambda: graph(z, z, now, row))
    bench.figure(f"{case}, graph", 1000 * replayed, "ms", peak_mib=bench.peak())
    if frames == 200 and dtype == "bfloat16":
        profile(bench, lambda: graph(z, z, now, row))


def profile(bench: Bench, function: Callable[[], object]) -> None:
    """How many kernels run, and which take longest."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    with profiled(activities=[ProfilerActivity.CUDA], acc_events=True) as found:
        function()
        torch.cuda.synchronize()
    rows = sorted(found.key_averages(), key=lambda row: -row.self_device_time_total)
    bench.figure("step: kernels", sum(row.count for row in rows), "launches")
    for row in rows[:25]:
        print(f"    {row.self_device_time_total / 1000:7.3f} ms {row.count:4d} x {row.key[:110]}")


def whole(bench: Bench) -> None:
    """Videos of 8 and 64 seconds, all included but loading the model."""
    from dawn.sampling.generate import generate
    from dawn.sampling.settings import GenerateConfig
    from dawn.sampling.voice import read_voice

    for dtype in ("bfloat16", "float32"):
        model = random_model(bench.preset, bench.device, dtype)  # type: ignore[arg-type]
        config = GenerateConfig(dtype=dtype, steps=1 if is_smoke() else 20)  # type: ignore[arg-type]
        portrait = invented_portrait(model.folder.size)
        with tempfile.TemporaryDirectory() as name:
            out = Path(name) / "out.mp4"
            for seconds in [0.4] if is_smoke() else [8, 64]:
                if bench.time_left() < 4:
                    return
                voice = read_voice(write_voice(Path(name) / "voice.wav", seconds))
                for _ in range(3 if seconds < 10 else 1):  # kernels are tuned, a graph captured
                    bench.peak()
                    made = generate(model, portrait, voice, config, 0, out)
                bench.figure(
                    f"generate: {seconds:g} s, {dtype}", made.wall_s, "s",
                    network_s=made.network_s, render_s=made.render_s, encode_s=made.encode_s,
                    wait_s=made.wait_s, peak_mib=bench.peak(),
                )  # fmt: skip


def batch(bench: Bench) -> None:
    """Frames a second over many clips of 8 seconds, by as many workers as share a GPU."""
    workers = 1 if is_smoke() else 2
    context = multiprocessing.get_context("spawn")
    gate, made = context.Barrier(workers), context.Queue()
    processes = [context.Process(target=_make, args=(bench, gate, made)) for _ in range(workers)]
    for process in processes:
        process.start()
    found = [made.get(timeout=bench.time_left() + 20) for _ in processes]
    for process in processes:
        process.join()
    frames = sum(count for count, _, _ in found)
    seconds = max(end for *_, end in found) - min(begin for _, begin, _ in found)
    bench.figure("batch: 8 s clips", frames / seconds, "frames/s", workers=workers)


def _make(bench: Bench, gate: Any, made: Any) -> None:  # noqa: ANN401 - multiprocessing's own
    """One worker: how many frames, and from when to when."""
    from dawn.sampling.generate import generate
    from dawn.sampling.settings import GenerateConfig
    from dawn.sampling.voice import read_voice

    kind = "float32" if is_smoke() else "bfloat16"
    model = random_model(bench.preset, bench.device, kind)  # type: ignore[arg-type]
    config = GenerateConfig(dtype=kind, steps=1 if is_smoke() else 20)  # type: ignore[arg-type]
    portrait = invented_portrait(model.folder.size)
    with tempfile.TemporaryDirectory() as name:
        voice = read_voice(write_voice(Path(name) / "voice.wav", 0.4 if is_smoke() else 8))
        for number in range(2):  # kernels are tuned, a graph is captured
            generate(model, portrait, voice, config, number, Path(name) / "out.mp4")
        gate.wait()
        frames, begin = 0, time.monotonic()
        while not frames or (bench.time_left() > 3 and frames < (1 if is_smoke() else 2000)):
            frames += generate(
                model, portrait, voice, config, frames, Path(name) / "out.mp4"
            ).frames
        made.put((frames, begin, time.monotonic()))


def stream(bench: Bench) -> None:
    """A stream's first frame and its rate."""
    from benchmarks.streaming import measure

    with tempfile.TemporaryDirectory() as name:
        small: dict[str, Any] = {
            "rounds": 2,
            "whole": 1,
            "sessions": (1,),
            "steps": 1,
            "first_stretch": 9,
            "stretch": 16,
        }
        found = measure(
            Path(name),
            1 if is_smoke() else 16,
            str(bench.device),
            "float32" if is_smoke() else "bfloat16",
            preset=bench.preset,
            **(small if is_smoke() else {"sessions": (1, 8)}),
        )
    bench.figure("stream: first frame, p50", found["p50"], "s")
    bench.figure("stream: first frame, p95", found["p95"], "s", cold_s=found["cold_first_frame_s"])
    bench.figure("stream: first bytes", found["first_bytes_s"], "s")
    bench.figure("stream: steady rate", found["steady_rate"], "frames/s", late=found["late"])
    for row in found["sessions"]:
        bench.figure(
            f"stream: {row['count']} at once, first frame, p95",
            row["p95"],
            "s",
            late=row["late"],
            frames_per_s=row["frames_per_s"],
        )


def render(bench: Bench) -> None:
    """Rendering alone, by frames at once."""
    from dawn.sampling.render import Renderer, as_tensor

    model = random_model(bench.preset, bench.device)
    source = as_tensor(invented_portrait(model.folder.size).picture, bench.device)
    side = random_side(bench.preset)
    frames = 8 if is_smoke() else 256
    motion = torch.rand(3, frames, side, side, device=bench.device) * 2 - 1
    for chunk in (4,) if is_smoke() else (1, 16, 64):
        renderer = Renderer(model.lfg, source, chunk)
        bench.peak()
        took = bench.timed(partial(_all, renderer, motion), 3)
        bench.figure(f"render: {chunk} at once", frames / took, "frames/s", peak_mib=bench.peak())


def _all(renderer: Any, motion: torch.Tensor) -> None:  # noqa: ANN401
    for _ in renderer.batches(motion):
        pass


def train(bench: Bench) -> None:
    """Training of each stage on clips that are made, decoded and fed as a run feeds them."""
    from benchmarks.train_step import measure_stage

    short: dict[str, Any] = {"clips": {"frames_min": 3, "frames_max": 3}} if is_smoke() else {}
    attention = {"checkpoint_blocks": "attention", **short}
    graph = {"run": {"graph": True}}
    preset = "tiny" if is_smoke() else "128"
    cases: list[tuple[str, str, str, str, dict[str, Any]]] = [
        ("", "a2v", preset, "bfloat16", short),
        (", graph", "a2v", preset, "bfloat16", graph),
        (", graph, attention computed again", "a2v", preset, "bfloat16", attention | graph),
        ("", "lfg", preset, "bfloat16", {}),
        (", graph", "lfg", preset, "bfloat16", graph),
        ("", "pbnet", preset, "float32", {}),
    ]
    if not is_smoke():
        cases += [(", graph", stage, "small", "float32", graph) for stage in ("a2v", "lfg")]
        cases += [("", stage, "small", "float32", {}) for stage in ("a2v", "lfg", "pbnet")]
        cases += [(", float32", stage, preset, "float32", {}) for stage in ("a2v", "lfg")]
    else:
        cases = [case for case in cases if case[4] is not graph]  # there is none to replay
    for number, (name, stage, kind, precision, changes) in enumerate(cases):
        share = bench.time_left() / (len(cases) - number)
        if share < 1:
            return
        with suppress(torch.OutOfMemoryError):
            found = measure_stage(
                stage, kind, 2 if is_smoke() else None, precision, str(bench.device),
                0.5 if is_smoke() else max(2.0, min(10.0, share - 10)),
                workers=0 if is_smoke() else 8, clips=2 if is_smoke() else 13, changes=changes,
            )  # fmt: skip
            case = f"train: {stage} {kind}{name}"
            more = {key: found[key] for key in ("batch", "wait_share", "steps_per_s")}
            bench.figure(case, found["samples_per_s"], "samples/s", **more)
            bench.figure(f"{case}, memory", found["peak_mib"], "MiB")


SECTIONS: dict[str, tuple[Callable[[Bench], None], float]] = {
    "agreement": (agreement, 2.5),
    "step": (step, 2.0),
    "generate": (whole, 2.5),
    "stream": (stream, 2.0),
    "render": (render, 0.7),
    "batch": (batch, 1.2),
    "train": (train, 6.0),
}
"""Each with its share of the budget."""


def in_processes(names: Iterable[str], seconds: float, device: str) -> list[dict[str, Any]]:
    """Run sections one after another, each within its share; their figures."""
    names = list(names)
    figures: list[dict[str, Any]] = []
    end = time.monotonic() + seconds
    for number, name in enumerate(names):
        rest = sum(SECTIONS[other][1] for other in names[number:])
        share = max(10.0, (end - time.monotonic()) * SECTIONS[name][1] / rest)
        command = [
            sys.executable,
            "-m",
            "benchmarks.on_gpu",
            "--section",
            name,
            "--seconds",
            str(share),
            "--device",
            device,
        ]
        command += ["--smoke"] if is_smoke() else []
        print(f"== {name}: at most {share:.0f} s", flush=True)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            timer = _killer(process, share + 10)
            for line in process.stdout or ():
                print(line, end="", flush=True)
                if line.startswith(FIGURE):
                    figures.append(json.loads(line))
            timer.cancel()
        if process.returncode:
            print(f"{name}: ended with {process.returncode}", flush=True)
    return figures


def _killer(process: "subprocess.Popen[str]", seconds: float) -> Any:  # noqa: ANN401
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    return timer


def table(figures: list[dict[str, Any]]) -> None:
    """All figures and the goals."""
    print(f"\n{surroundings()['machine']['gpu']}, PyTorch {torch.__version__}\n")
    print("| what | value | goal on an H100 | more |")
    print("|---|---|---|---|")
    known = {"benchmark", "case", "value", "unit", "floor", "ratio", *surroundings()}
    for figure in figures:
        value, case = figure["value"], figure["case"]
        goal = GOALS[case].says(value) if case in GOALS and value is not None else ""
        more = ", ".join(
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
            for k, v in figure.items()
            if k not in known
        )
        print(f"| {case} | {value} {figure['unit']} | {goal} | {more} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--device", default="cpu" if is_smoke() else "cuda")
    parser.add_argument("--smoke", action="store_true", help="smallest sizes: does it run?")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=30, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU; --smoke runs on the CPU")
    if options.section is None:
        seconds = 60 * options.minutes - MARGIN_S
        table(in_processes(options.sections, seconds, options.device))
        return
    bench = Bench(
        torch.device(options.device),
        "tiny" if is_smoke() else "128",
        time.monotonic() + options.seconds,
        Report("on_gpu"),
    )
    torch.set_num_threads(1 if is_smoke() else torch.get_num_threads())
    SECTIONS[options.section][0](bench)


if __name__ == "__main__":
    main()
