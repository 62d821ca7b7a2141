"""How generation's time and memory grow with the length of the voice.

    python -m benchmarks.generate                          # tiny network: 2, 8, 32, 128 s
    python -m benchmarks.generate --preset 128 --seconds 2 8
    python -m benchmarks.generate --preset 128 --seconds 8 --device cuda --dtype bfloat16

Networks have random weights: speed does not depend on them. Each length runs in a fresh process;
memory is the process's peak (VmHWM), on a GPU PyTorch's peak there. Time is `generate`'s own,
the model loaded: voice features, PBNet, diffusion, rendering, encoding with the sound.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dawn.a2v.config import A2V_128, A2V_256, A2V_TINY
from dawn.checkpoints import build, save
from dawn.features.sound.mel import ROW
from dawn.lfg.config import LFG_128, LFG_256, LFG_TINY
from dawn.pbnet.config import PBNET_JOINT, PBNET_TINY
from dawn.sampling.generate import generate
from dawn.sampling.model import find_model, load_model
from dawn.sampling.portrait import Portrait
from dawn.sampling.settings import GenerateConfig
from dawn.sampling.voice import read_voice
from pipeline.generate.worker import peak_memory

SIZES = {
    "tiny": (LFG_TINY, A2V_TINY, PBNET_TINY),
    "128": (LFG_128, A2V_128, PBNET_JOINT),
    "256": (LFG_256, A2V_256, PBNET_JOINT),
}


def write_model(folder: Path, preset: str) -> None:
    lfg, a2v, pbnet = SIZES[preset]
    a2v = replace(a2v, unet=replace(a2v.unet, audio_dim=ROW))
    torch.manual_seed(0)
    for name, config in (("lfg", lfg), ("a2v", a2v), ("pbnet", replace(pbnet, audio_dim=ROW))):
        save(folder / name, name, config, build(config).state_dict(), {"kind": "random"})


def write_voice(path: Path, seconds: float) -> None:
    hiss = np.random.default_rng(0).normal(0, 3000, round(seconds * 16000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(hiss.tobytes())


def measure(folder: Path, seconds: float, config: GenerateConfig, device: torch.device) -> None:
    """One length, in this process; prints its numbers for the parent."""
    model = load_model(find_model(folder), device, config.dtype)
    size = model.folder.size
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    portrait = Portrait(
        picture=picture.repeat(size // 8, 0).repeat(size // 8, 1),
        pose=np.array([0, 0, 0, 4.8e-4, 56, 64], np.float32),
        eyes=np.array([0.3, 0.3], np.float32),
        box=np.array([0.2, 0.8, 0.2, 0.9], np.float32),
    )
    voice_path, out = folder / "voice.wav", folder / "out.mp4"
    write_voice(voice_path, seconds)
    if device.type == "cuda":  # the first kernels are compiled and tuned
        warm = folder / "warm.wav"
        write_voice(warm, min(seconds, 8))
        generate(model, portrait, read_voice(warm), replace(config, steps=1), 0, out)
        torch.cuda.reset_peak_memory_stats(device)
    before = peak_memory(device)
    made = generate(model, portrait, read_voice(voice_path), config, 0, out)
    times = (made.wall_s, made.network_s, made.render_s, made.encode_s)
    print("RESULT", made.frames, *times, before, peak_memory(device))


def report(seconds: list[float], rows: list[list[float]]) -> None:
    print("| voice | frames | time | frames/s | of real time | network, render, encode | peak |")
    print("|---|---|---|---|---|---|---|")
    for length, (frames, wall, network, render, encode, _, peak) in zip(seconds, rows, strict=True):
        shares = ", ".join(f"{100 * part / wall:.0f} %" for part in (network, render, encode))
        print(
            f"| {length:g} s | {frames:.0f} | {wall:.2f} s | {frames / wall:.1f} "
            f"| {wall / length:.2f} | {shares} | {peak / 2**20:.0f} MiB |"
        )
    if len(rows) > 1:
        slope = np.polyfit(np.log(seconds), np.log([row[1] for row in rows]), 1)[0]
        last = math.log(rows[-1][1] / rows[-2][1]) / math.log(seconds[-1] / seconds[-2])
        print(f"exponent of time: {slope:.2f} over all lengths, {last:.2f} between the last two")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=SIZES, default="tiny")
    parser.add_argument("--seconds", type=float, nargs="+", default=[2, 8, 32, 128])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--stretch", type=int, default=240)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    config = GenerateConfig(steps=given.steps, stretch=given.stretch, dtype=given.dtype)
    if given.one:
        torch.set_num_threads(given.threads)
        measure(given.one, given.seconds[0], config, torch.device(given.device))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder, given.preset)
        rows = []
        for length in given.seconds:
            command = [sys.executable, "-m", "benchmarks.generate", *sys.argv[1:]]
            command += ["--one", str(folder), "--seconds", str(length)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
            if done.returncode or not lines:
                sys.exit(done.stderr)
            rows.append([float(word) for word in lines[0].split()[1:]])
        report(given.seconds, rows)


if __name__ == "__main__":
    main()
