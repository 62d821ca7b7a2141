"""How generation's time and memory grow with the length of the voice.

    python -m benchmarks.generate                          # tiny network: 2, 8, 32, 128 s
    python -m benchmarks.generate --preset 128 --seconds 2 8
    python -m benchmarks.generate --preset 128 --seconds 8 --device cuda --dtype bfloat16

Networks have random weights: speed does not depend on them. Each length runs in a fresh process;
memory is the process's peak (VmHWM), on a GPU PyTorch's peak there. Time is `generate`'s own,
the model loaded: voice features, PBNet, diffusion, rendering, encoding with the sound. What time
is held against is the length of the voice: the ratio says how much slower than life.
"""

import argparse
import math
import tempfile
import wave
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.fresh import fresh
from benchmarks.inputs import SIZES, write_model
from benchmarks.report import Report, arguments, parse
from dawn.sampling.generate import generate
from dawn.sampling.model import find_model, load_model
from dawn.sampling.portrait import Portrait
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.voice import read_voice
from pipeline.generate.worker import peak_memory


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one video."""

    length: float
    frames: int
    wall_s: float
    parts_s: tuple[float, float, float]
    """Of the network, of rendering, of encoding."""
    peak: int | None
    """Bytes."""


def write_voice(path: Path, seconds: float) -> None:
    hiss = np.random.default_rng(0).normal(0, 3000, round(seconds * 16000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(hiss.tobytes())


def invented_portrait(size: int) -> Portrait:
    """Coloured squares with a face's numbers."""
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    return Portrait(
        picture=picture.repeat(size // 8, 0).repeat(size // 8, 1),
        pose=np.array([0, 0, 0, 4.8e-4, 56, 64], np.float32),
        eyes=np.array([0.3, 0.3], np.float32),
        box=np.array([0.2, 0.8, 0.2, 0.9], np.float32),
    )


def measure(folder: Path, seconds: float, options: argparse.Namespace) -> Cost:
    """One length, in this process."""
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    config = GenerateConfig(steps=options.steps, stretch=options.stretch, dtype=options.dtype)
    model = load_model(find_model(folder), device, config.dtype)
    portrait = invented_portrait(model.folder.size)
    voice_path, out = folder / "voice.wav", folder / "out.mp4"
    write_voice(voice_path, seconds)
    if device.type == "cuda":  # the first kernels are compiled and tuned
        warm = folder / "warm.wav"
        write_voice(warm, min(seconds, 8))
        generate(model, portrait, read_voice(warm), replace(config, steps=1), 0, out)
        torch.cuda.reset_peak_memory_stats(device)
    made = generate(model, portrait, read_voice(voice_path), config, 0, out)
    parts = (made.network_s, made.render_s, made.encode_s)
    return Cost(seconds, made.frames, made.wall_s, parts, peak_memory(device))


def say(report: Report, costs: list[Cost]) -> None:
    """The table, the exponent and the figures."""
    print("| voice | frames | time | frames/s | of real time | network, render, encode | peak |")
    print("|---|---|---|---|---|---|---|")
    for cost in costs:
        shares = ", ".join(f"{100 * part / cost.wall_s:.0f} %" for part in cost.parts_s)
        print(
            f"| {cost.length:g} s | {cost.frames} | {cost.wall_s:.2f} s "
            f"| {cost.frames / cost.wall_s:.1f} | {cost.wall_s / cost.length:.2f} "
            f"| {shares} | {(cost.peak or 0) / 2**20:.0f} MiB |"
        )
    for cost in costs:
        case = f"{cost.length:g} s of voice"
        report.figure(f"{case}: time", cost.wall_s, "s", floor=cost.length)
        report.figure(f"{case}: memory", (cost.peak or 0) / 2**20, "MiB")
    if len(costs) > 1:
        lengths, times = [c.length for c in costs], [c.wall_s for c in costs]
        slope = float(np.polyfit(np.log(lengths), np.log(times), 1)[0])
        last = math.log(times[-1] / times[-2]) / math.log(lengths[-1] / lengths[-2])
        print(f"exponent of time: {slope:.2f} over all lengths, {last:.2f} between the last two")
        report.figure("exponent of time", slope, "exponent")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--preset", choices=SIZES, default="tiny")
    parser.add_argument("--seconds", type=float, nargs="+", default=[2, 8, 32, 128])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--stretch", type=int, default=240)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    options = parse(parser, seconds=[0.4, 0.8], steps=1)
    with tempfile.TemporaryDirectory() as name:
        folder = write_model(Path(name), options.preset)
        say(Report("generate"), [fresh(measure, folder, s, options) for s in options.seconds])


if __name__ == "__main__":
    main()
