"""Time and peak memory of one full-size denoising step.

    python -m benchmarks.a2v_step [--frames 40 100 200] [--dtype float32] [--device cpu]

Each length runs in a fresh process, so that its peak is its own. A step is one evaluation of the
network of random weights at 32 x 32 latents (128 pixels) with the released window, prepared
beforehand as in sampling.
"""

import argparse
import time
from dataclasses import dataclass

import torch

from benchmarks.fresh import fresh, peak_mib
from benchmarks.report import Report, arguments, parse
from dawn.a2v.config import A2V_128, A2V_256
from dawn.a2v.unet import UNet

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a step: the first and the best of the others, and memory before and at the peak."""

    first_s: float
    best_s: float
    before_mib: float
    peak_mib: float


def peak(device: str) -> float:
    """On the device, in MiB."""
    return torch.cuda.max_memory_allocated() / MEBIBYTE if device == "cuda" else peak_mib()


def measure(options: argparse.Namespace, frames: int) -> Cost:
    """One length, in this process."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = A2V_256 if options.pixels == 256 else A2V_128
    device, dtype, size = options.device, getattr(torch, options.dtype), config.latent_size
    unet = UNet(config.unet).eval().to(device=device, dtype=dtype)
    z = torch.randn(1, 3, frames, size, size, device=device)
    features = torch.randn(1, config.unet.feature_channels, size, size, device=device)
    cond = torch.randn(1, frames, config.unet.cond_dim, device=device)
    times = torch.tensor([500], device=device)
    before, seconds = peak(device), []
    with torch.inference_mode():
        prepared = unet.prepare(features, cond, config.window)
        for _ in range(options.repeats + 1):
            start = time.perf_counter()
            unet.denoise(z, prepared, times)
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    return Cost(seconds[0], min(seconds[1:]), before, peak(device))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--frames", nargs="+", type=int, default=[40, 100, 200])
    parser.add_argument("--pixels", type=int, choices=[128, 256], default=128)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parse(parser, frames=[2], threads=1, repeats=1)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no GPU")
    report = Report("a2v_step")
    how = f"{options.pixels} px, {options.dtype}, {options.device}, {options.threads} thread(s)"
    print(how)
    for frames in options.frames:
        cost = fresh(measure, options, frames)
        print(
            f"{frames} frames: first {cost.first_s:.3f} s, best {cost.best_s:.3f} s, "
            f"peak {cost.peak_mib:.0f} MiB, of it {cost.before_mib:.0f} before the step"
        )
        report.figure(f"{frames} frames: time", cost.best_s, "s", how=how)
        report.figure(
            f"{frames} frames: memory", cost.peak_mib, "MiB", how=how, before_mib=cost.before_mib
        )


if __name__ == "__main__":
    main()
