"""How generation's time and memory grow with the length of the voice.

    python -m benchmarks.generate                          # tiny network: 2, 8, 32, 128 s
    python -m benchmarks.generate --preset 128 --seconds 2 8
    python -m benchmarks.generate --preset 128 --seconds 8 --device cuda --dtype bfloat16

Networks have random weights: speed does not depend on them. Each length runs in a fresh process;
memory is the process's peak (VmHWM), on a GPU PyTorch's peak there. Time is `generate`'s own,
the model loaded: voice features, PBNet, diffusion, rendering, encoding with the sound. Encoding
runs in a thread beside the rest, so that its share costs time only where the rest waits. What time
is held against is the length of the voice: the ratio says how much slower than life.
"""

import argparse
import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.fresh import fresh
from benchmarks.models import SIZES, invented_portrait, random_model, write_voice
from benchmarks.report import Report, arguments, parse
from dawn.sampling.generate import generate
from dawn.sampling.memory import peak_memory
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.voice import read_voice


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one video."""

    length: float
    frames: int
    wall_s: float
    parts_s: tuple[float, float, float, float]
    """Of the network, of rendering, of waiting for the encoder; and of encoding, beside these."""
    peak: int | None
    """Bytes."""


def measure(folder: Path, seconds: float, options: argparse.Namespace) -> Cost:
    """One length, in this process."""
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    config = GenerateConfig(steps=options.steps, stretch=options.stretch, dtype=options.dtype)
    model = random_model(options.preset, device, config.dtype)
    portrait = invented_portrait(model.folder.size)
    voice_path, out = folder / "voice.wav", folder / "out.mp4"
    write_voice(voice_path, seconds)
    if device.type == "cuda":  # the first kernels are compiled and tuned
        warm = folder / "warm.wav"
        write_voice(warm, min(seconds, 8))
        generate(model, portrait, read_voice(warm), replace(config, steps=1), 0, out)
        torch.cuda.reset_peak_memory_stats(device)
    made = generate(model, portrait, read_voice(voice_path), config, 0, out)
    parts = (made.network_s, made.render_s, made.wait_s, made.encode_s)
    return Cost(seconds, made.frames, made.wall_s, parts, peak_memory(device))


def say(report: Report, costs: list[Cost]) -> None:
    """The table, the exponent and the figures."""
    columns = "voice | frames | time | frames/s | of real time | network, render, wait | encode"
    print(f"| {columns} | peak |")
    print("|---" * 8 + "|")
    for cost in costs:
        *rest, encode = (f"{100 * part / cost.wall_s:.0f} %" for part in cost.parts_s)
        print(
            f"| {cost.length:g} s | {cost.frames} | {cost.wall_s:.2f} s "
            f"| {cost.frames / cost.wall_s:.1f} | {cost.wall_s / cost.length:.2f} "
            f"| {', '.join(rest)} | {encode} | {(cost.peak or 0) / 2**20:.0f} MiB |"
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
        costs = [fresh(measure, Path(name), seconds, options) for seconds in options.seconds]
        say(Report("generate"), costs)


if __name__ == "__main__":
    main()
