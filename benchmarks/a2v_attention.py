"""Windowed temporal attention against masked full attention: time, peak memory, growth.

    python -m benchmarks.a2v_attention [--frames 40 200 400 1000] [--pixels 64]

Runs one temporal layer's attention (8 heads of 32, a band of 40 frames each way) on random
queries. `full`, the floor, is the plain formula over all frames under the band mask, as the
official inference network computes it. Each case runs in a fresh process; memory is what the calls
added to the process's peak, time is processor time on one thread. The exponent is the slope of
log(cost) on log(frames) from 200 frames on, where the band is narrower than the clip. Lengths of
--windowed-only have no floor: at 2,000 frames it would take 16 GB.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.fresh import fresh, peak_mib
from benchmarks.report import Report, arguments, parse
from dawn.attention import RelativeBias, attend, toeplitz

HEADS, HEAD_DIM, WINDOW = 8, 32, 40


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call."""

    frames: int
    cpu_s: float
    added_mib: float


def masked_full(q: Tensor, k: Tensor, v: Tensor, relative: RelativeBias, window: int) -> Tensor:
    frames = q.shape[-2]
    bias = toeplitz(relative(frames - 1, window), 0, frames, 0, frames)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias
    return scores.softmax(-1) @ v


def measure(kind: str, frames: int, pixels: int, repeats: int) -> Cost:
    """One case, in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    q, k, v = torch.randn(3, pixels, HEADS, frames, HEAD_DIM)
    relative = RelativeBias(HEADS, 32, 32)
    function = attend if kind == "windowed" else masked_full
    tiny = torch.randn(3, 1, HEADS, 8, HEAD_DIM)
    with torch.inference_mode():
        F.scaled_dot_product_attention(*tiny)  # thread pools and code pages are not the call's
        before = peak_mib()
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            function(q, k, v, relative, WINDOW)
            seconds.append(time.process_time() - start)
    return Cost(frames, min(seconds), peak_mib() - before)


def exponent(points: Iterable[tuple[int, float]]) -> float:
    """Least-squares slope of log(cost) on log(frames) from 200 frames on; NaN of one length."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x >= 200 and y > 0]
    if len(logs) < 2:
        return math.nan
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in logs)
    return covariance / sum((x - mean_x) ** 2 for x, _ in logs)


def say(report: Report, own: Cost, full: Cost | None) -> None:
    """A length's line and figures."""
    against = f"; full {full.cpu_s:.4f} s, {full.added_mib:.1f} MiB" if full else ""
    print(f"{own.frames} frames: {own.cpu_s:.4f} s, {own.added_mib:.1f} MiB{against}")
    case = f"windowed, {own.frames} frames"
    report.figure(f"{case}: time", own.cpu_s, "s", floor=full.cpu_s if full else None)
    report.figure(f"{case}: memory", own.added_mib, "MiB", floor=full.added_mib if full else None)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--frames", nargs="+", type=int, default=[40, 200, 400, 1000])
    parser.add_argument("--windowed-only", nargs="*", type=int, default=[2000])
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parse(parser, frames=[200, 400], windowed_only=[], pixels=8, repeats=1)
    report = Report("a2v_attention")
    costs: dict[str, list[Cost]] = {"full": [], "windowed": []}
    for frames in options.frames:
        for kind, found in costs.items():
            found.append(fresh(measure, kind, frames, options.pixels, options.repeats))
        say(report, costs["windowed"][-1], costs["full"][-1])
    for kind, found in costs.items():
        time_ = exponent((cost.frames, cost.cpu_s) for cost in found)
        memory = exponent((cost.frames, cost.added_mib) for cost in found)
        print(f"{kind}: exponent of time {time_:.2f}, of memory {memory:.2f}")
        report.figure(f"{kind}: exponent of time", time_, "exponent")
        report.figure(f"{kind}: exponent of memory", memory, "exponent")
    for frames in options.windowed_only:
        say(report, fresh(measure, "windowed", frames, options.pixels, options.repeats), None)


if __name__ == "__main__":
    main()
