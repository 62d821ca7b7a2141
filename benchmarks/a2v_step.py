"""Time and peak memory of one full-size denoising step.

    python -m benchmarks.a2v_step [--frames 40 100 200] [--dtype float32] [--device cpu]

Each length runs in a fresh process, so that its peak is its own. A step is one evaluation of the
network of random weights at 32 x 32 latents (128 pixels) with the released window, features
embedded beforehand as in sampling. Prints a JSON object a line.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

from dawn.a2v.config import A2V_128, A2V_256
from dawn.a2v.unet import UNet

MEBIBYTE = 2**20


def peak_mebibytes(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / MEBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(arguments: argparse.Namespace, frames: int) -> dict[str, object]:
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    config = A2V_256 if arguments.pixels == 256 else A2V_128
    device, dtype, size = arguments.device, getattr(torch, arguments.dtype), config.latent_size
    unet = UNet(config.unet).eval().to(device=device, dtype=dtype)
    z = torch.randn(1, 3, frames, size, size, device=device)
    features = torch.randn(1, config.unet.feature_channels, size, size, device=device)
    cond = torch.randn(1, frames, config.unet.cond_dim, device=device)
    times = torch.tensor([500], device=device)
    before, seconds = peak_mebibytes(device), []
    with torch.inference_mode():
        embedded = unet.embed_features(features)
        for _ in range(arguments.repeats + 1):
            start = time.perf_counter()
            unet.denoise(z, embedded, cond, times, config.window)
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    return {
        "frames": frames,
        "pixels": arguments.pixels,
        "dtype": arguments.dtype,
        "device": device,
        "threads": arguments.threads,
        "first_s": round(seconds[0], 3),
        "best_s": round(min(seconds[1:]), 3),
        "before_step_MiB": round(before),
        "peak_MiB": round(peak_mebibytes(device)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="time and peak memory of one denoising step")
    parser.add_argument("--frames", nargs="+", type=int, default=[40, 100, 200])
    parser.add_argument("--pixels", type=int, choices=[128, 256], default=128)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if len(arguments.frames) == 1:
        print(json.dumps(measure(arguments, arguments.frames[0])))
        return
    options = sys.argv[1:]
    if "--frames" in options:
        at = options.index("--frames")
        del options[at : at + 1 + len(arguments.frames)]
    for frames in arguments.frames:
        command = [sys.executable, "-m", "benchmarks.a2v_step", "--frames", str(frames), *options]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
