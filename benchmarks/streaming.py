"""How soon a stream's first frame is there, how steadily the rest comes, how many may watch.

    python -m benchmarks.streaming                          # tiny network
    python -m benchmarks.streaming --preset 128 --device cuda --dtype bfloat16
    python -m benchmarks.streaming --sessions 1 4 16 --seconds 30

Networks have random weights: speed does not depend on them. The model is loaded and has run once,
as a server's has. Latency counts from the moment at which portrait and sound are in memory: voice
features, PBNet, the first stretch of denoising, rendering. `first frame` is when Python has it,
`first bytes` when the first fragment that can be played has been written. The steady rate is of
the frames after the first stretch; a frame is late where a viewer who began with the first frame
would wait for it. Sessions begin at the same moment and take turns on one device.
"""

import io
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from benchmarks.models import SIZES, invented_portrait, random_model, write_voice
from benchmarks.report import Report, arguments, parse
from dawn.features.rates import FPS
from dawn.sampling.generate import OnWork, Timer, generate, render_clip
from dawn.sampling.memory import peak_memory
from dawn.sampling.model import Model
from dawn.sampling.portrait import Portrait
from dawn.sampling.render import Batch
from dawn.sampling.settings import STREAM_FIRST, GenerateConfig, Precision
from dawn.sampling.stream import frames_of
from dawn.sampling.turns import Turns
from dawn.sampling.voice import Voice, read_voice


class Watched(io.BytesIO):
    """A stream's bytes, and when a picture could first be decoded from them."""

    def __init__(self) -> None:
        super().__init__()
        self.played: float | None = None

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer, as BytesIO takes
        written = super().write(data)
        now = time.perf_counter()
        if self.played is None and _plays(self.getvalue()):
            self.played = now
        return written


def _plays(data: bytes) -> bool:
    try:
        with av.open(io.BytesIO(data)) as container:
            return next(container.decode(video=0), None) is not None
    except av.error.FFmpegError:
        return False


@dataclass(frozen=True, slots=True)
class Case:
    """What every stream of a measurement shares."""

    model: Model
    portrait: Portrait
    voice: Voice
    config: GenerateConfig

    def arrivals(self, seed: int, turns: Turns, frames: int | None = None) -> list[float]:
        """Seconds after the request at which each of the first `frames` was there, nobody waiting
        between.
        """

        def make(on_work: OnWork) -> Iterator[Batch]:
            timer = Timer(self.model.device)
            batches = render_clip(
                self.model, self.portrait, self.voice, self.config, seed, timer, on_work=on_work
            )
            return turns.each(batches)

        begin = time.perf_counter()
        stream = frames_of(make, self.voice)
        times = [time.perf_counter() - begin for _ in islice(stream, frames)]
        stream.close()
        return times


def late(times: list[float]) -> int:
    """Frames that were not there when a viewer of 25 a second came to them."""
    return sum(at > times[0] + number / FPS for number, at in enumerate(times))


def steady_rate(times: list[float], first: int) -> float:
    """Frames a second after the `first`, which leave together."""
    if len(times) <= first:
        return len(times) / times[-1]
    return (len(times) - first) / max(times[-1] - times[first - 1], 1e-9)


def measure(
    folder: Path,
    seconds: float,
    device: str,
    dtype: Precision,
    *,
    model: Model | None = None,
    preset: str = "128",
    rounds: int = 20,
    whole: int = 2,
    sessions: tuple[int, ...] = (1, 4),
    steps: int = 20,
    first_stretch: int = STREAM_FIRST,
    stretch: int = 240,
) -> dict[str, Any]:
    """Latency and rate of streams of `seconds` of sound; `folder` takes what is made meanwhile.

    `model` is one of random weights at `preset` where none is given; `dtype` is its own. Times are
    in seconds: `first_frame_s` (list of `rounds`), its `p50` and `p95`, `first_bytes_s`,
    `steady_rate` (frames a second) and `late` frames of `whole` streams, and of each number of
    concurrent `sessions` the first frames' p50 and p95, the frames a second of all together, and
    the late ones; `peak_bytes` of the process, on a GPU of PyTorch there.
    """
    place = torch.device(device)
    model = model or random_model(preset, place, dtype)
    overlap = max(1, min(40, stretch // 2, first_stretch * 2 // 3))
    config = GenerateConfig(
        steps=steps, stretch=stretch, overlap=overlap, first_stretch=first_stretch, dtype=dtype
    )
    portrait = invented_portrait(model.folder.size)
    voice = read_voice(write_voice(folder / "stream.wav", seconds))
    turns = Turns()
    case = Case(model, portrait, voice, config)
    cold = case.arrivals(0, turns)  # kernels are compiled and tuned
    firsts = [case.arrivals(seed, turns, 1)[0] for seed in range(1, rounds + 1)]
    runs = [case.arrivals(seed, turns) for seed in range(1, whole + 1)]
    first = first_stretch - overlap
    return {
        "device": device, "dtype": dtype, "size": model.folder.size, "seconds": seconds,
        "frames": voice.frames, "steps": steps, "first_stretch": first_stretch,
        "overlap": overlap, "stretch": stretch,
        "cold_first_frame_s": cold[0],
        "first_frame_s": firsts, "p50": _quantile(firsts, 50), "p95": _quantile(firsts, 95),
        "first_bytes_s": first_bytes(case),
        "steady_rate": float(np.median([steady_rate(times, first) for times in runs])),
        "late": max(late(times) for times in runs),
        "sessions": [concurrently(case, count) for count in sessions],
        "peak_bytes": peak_memory(place),
    }  # fmt: skip


def first_bytes(case: Case) -> float | None:
    """Seconds until what was written as fragmented MP4 shows a picture."""
    sink, begin = Watched(), time.perf_counter()
    generate(case.model, case.portrait, case.voice, case.config, 0, sink)
    return None if sink.played is None else sink.played - begin


def concurrently(case: Case, count: int) -> dict[str, Any]:
    """So many streams that are asked for at the same moment."""
    turns, found = Turns(), dict[int, list[float]]()
    gate = threading.Barrier(count + 1)

    def watch(number: int) -> None:
        gate.wait()
        found[number] = case.arrivals(number, turns)

    threads = [threading.Thread(target=watch, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    gate.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - begin
    if len(found) < count:
        raise RuntimeError("a session failed; see above")
    firsts = [times[0] for times in found.values()]
    return {
        "count": count, "p50": _quantile(firsts, 50), "p95": _quantile(firsts, 95),
        "frames_per_s": count * case.voice.frames / wall,
        "late": sum(late(times) for times in found.values()),
    }  # fmt: skip


def _quantile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def say(report: Report, found: dict[str, Any]) -> None:
    print(
        f"{found['size']} pixels, {found['steps']} steps, {found['dtype']} on {found['device']}; "
        f"stretches of {found['first_stretch']}, then up to {found['stretch']} frames, overlap "
        f"{found['overlap']}; {found['seconds']:g} s of voice"
    )
    print(
        f"first frame: {found['p50']:.3f} s (p95 {found['p95']:.3f}; the first time "
        f"{found['cold_first_frame_s']:.3f}); first bytes that play: {found['first_bytes_s']:.3f} "
        f"s; then {found['steady_rate']:.0f} frames/s, {found['late']} late"
    )
    print("| sessions | first frame, p50 | p95 | frames/s together | late |")
    print("|---|---|---|---|---|")
    for row in found["sessions"]:
        print(
            f"| {row['count']} | {row['p50']:.3f} s | {row['p95']:.3f} s "
            f"| {row['frames_per_s']:.0f} | {row['late']} |"
        )
    report.figure("first frame: p50", found["p50"], "s")
    report.figure("first frame: p95", found["p95"], "s")
    report.figure("first bytes", found["first_bytes_s"], "s")
    report.figure("steady rate", found["steady_rate"], "frames/s", floor=FPS)
    for row in found["sessions"]:
        report.figure(f"{row['count']} sessions: first frame, p95", row["p95"], "s")
        report.figure(
            f"{row['count']} sessions: together", row["frames_per_s"], "frames/s",
            floor=row["count"] * FPS,
        )  # fmt: skip


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--preset", choices=SIZES, default="tiny")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--first-stretch", type=int, default=STREAM_FIRST)
    parser.add_argument("--stretch", type=int, default=240)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    options = parse(
        parser, seconds=1, rounds=2, sessions=[1, 2], steps=1, first_stretch=9, stretch=16
    )
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        found = measure(
            Path(name), options.seconds, options.device, options.dtype, preset=options.preset,
            rounds=options.rounds, sessions=tuple(options.sessions), steps=options.steps,
            first_stretch=options.first_stretch, stretch=options.stretch,
        )  # fmt: skip
    say(Report("streaming"), found)


if __name__ == "__main__":
    main()
