"""Windowed temporal attention against masked full attention: time, peak memory, growth.

    python -m benchmarks.a2v_attention [--frames 40 200 400 1000] [--pixels 64]

Runs one temporal layer's attention (8 heads of 32, a band of 40 frames each way) on random
queries. `full` is the plain formula over all frames under the band mask, as the official
inference network computes it. Each case runs in a fresh process; memory is what the calls added
to the process's peak, time is processor time on one thread. The exponent is the slope of
log(cost) on log(frames) from 200 frames on, where the band is narrower than the clip. 2,000
frames run windowed only.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from dawn.attention import RelativeBias, attend, toeplitz

HEADS, HEAD_DIM, WINDOW = 8, 32, 40


def masked_full(q: Tensor, k: Tensor, v: Tensor, relative: RelativeBias, window: int) -> Tensor:
    frames = q.shape[-2]
    bias = toeplitz(relative(frames - 1, window), 0, frames, 0, frames)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias
    return scores.softmax(-1) @ v


def measure(kind: str, frames: int, pixels: int, repeats: int) -> dict[str, object]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    q, k, v = torch.randn(3, pixels, HEADS, frames, HEAD_DIM)
    relative = RelativeBias(HEADS, 32, 32)
    function = attend if kind == "windowed" else masked_full
    tiny = torch.randn(3, 1, HEADS, 8, HEAD_DIM)
    with torch.inference_mode():
        F.scaled_dot_product_attention(*tiny)  # thread pools and code pages are not the call's
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            function(q, k, v, relative, WINDOW)
            seconds.append(time.process_time() - start)
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "kind": kind,
        "frames": frames,
        "pixels": pixels,
        "cpu_s": round(min(seconds), 4),
        "added_MiB": round(added, 1),
    }


def run(kind: str, frames: int, arguments: argparse.Namespace) -> dict[str, float]:
    options = ["--pixels", str(arguments.pixels), "--repeats", str(arguments.repeats)]
    case = ["--kind", kind, "--frames", str(frames)]
    command = [sys.executable, "-m", "benchmarks.a2v_attention", *case, *options]
    result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    print(json.dumps(result), flush=True)
    return result


def exponent(results: list[dict[str, float]], key: str) -> float:
    """Least-squares slope of log(key) on log(frames)."""
    points = [(math.log(r["frames"]), math.log(r[key])) for r in results if r["frames"] >= 200]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return covariance / sum((x - mean_x) ** 2 for x, _ in points)


def main() -> None:
    parser = argparse.ArgumentParser(description="windowed against masked full attention")
    parser.add_argument("--frames", nargs="+", type=int, default=[40, 200, 400, 1000])
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kind", choices=["windowed", "full"], help="measure one case only")
    arguments = parser.parse_args()
    if arguments.kind:
        print(
            json.dumps(
                measure(arguments.kind, *arguments.frames, arguments.pixels, arguments.repeats)
            )
        )
        return
    for kind in ("windowed", "full"):
        results = [run(kind, frames, arguments) for frames in arguments.frames]
        steps = [f"{b['cpu_s'] / a['cpu_s']:.2f}" for a, b in pairwise(results)]
        print(
            f"{kind}: exponent of time {exponent(results, 'cpu_s'):.2f}, "
            f"of memory {exponent(results, 'added_MiB'):.2f}; time from length to length × "
            + ", ".join(steps)
        )
    run("windowed", 2000, arguments)


if __name__ == "__main__":
    main()
