"""`dawn bench-system`: runs a system's command again and again, and stores a row a run.

A run is committed when it has ended; the same command goes on where one was stopped. Lengths take
turns, so that a machine that slows down slows all of them.
"""

import datetime
import hashlib
import shutil
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from dawn.features.rates import SAMPLE_RATE
from dawn.sampling.voice import read_voice
from eval.speed.runs import INFO, TABLE, Timed, timed
from manifests.counting import count
from manifests.errors import InputError
from manifests.runs import RunFolder
from pipeline.bench_system import machine
from pipeline.bench_system.command import Command
from pipeline.bench_system.outcome import NoVideoError, Video, first_frame, look_at
from pipeline.bench_system.watched import (
    FIRST_FRAME_EVERY_S,
    GPU_EVERY_MS,
    MEMORY_EVERY_S,
    Watched,
    run_watched,
)
from pipeline.progress import Progress, console, tally

FIXED = ("system", "command", "inputs", "device", "versions", "time_limit_s")
_LOG_BYTES = 64 * 1024
_GPU_SAID = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedOptions:
    """The command's flags."""

    command: Command
    image: Path
    audio: Path
    out: str
    system: str
    seconds: tuple[float, ...]
    repeats: int
    warm_ups: int
    time_limit_s: float
    device: str | None = None
    price_per_hour: float | None = None
    retry: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """One run to make: `number` 0 is a warm-up."""

    voice_s: float
    number: int
    again: int = 0
    """Of several warm-ups, which."""

    @property
    def item(self) -> str:
        return f"{self.voice_s:g}s-" + (f"{self.number}" if self.number else f"warm-{self.again}")


def bench_system(options: SpeedOptions) -> Timed:
    """Run what is missing; returns what follows from all runs. Raises InputError."""
    folder = RunFolder(options.out, INFO)
    if not folder.local:
        raise InputError(f"--out {options.out}: give a folder on this machine's disk")
    info = _info(options)
    with folder.writing():
        folder.ensure(info, FIXED)
        created = folder.info()["created_at"]
        price = options.price_per_hour or folder.info().get("price_per_hour")
        folder.write_info({**info, "created_at": created, "price_per_hour": price})
        _run_all(folder, options, info["device"])
        found = timed(options.out, folder.info(), folder.read(TABLE).to_pylist())
    _report(found, options)
    return found


def _info(options: SpeedOptions) -> dict[str, Any]:
    gpus, _ = machine.gpus()
    return {
        "system": options.system,
        "command": list(options.command.words),
        "inputs": {
            "image": options.image.name,
            "image_sha256": _digest(options.image),
            "audio": options.audio.name,
            "audio_sha256": _digest(options.audio),
        },
        "device": options.device or gpus or machine.processor(),
        "processor": machine.processor(),
        "gpus": gpus,
        "versions": machine.versions(),
        "time_limit_s": options.time_limit_s,
        "looks_s": {
            "memory": MEMORY_EVERY_S,
            "gpu_memory": GPU_EVERY_MS / 1000,
            "first_frame": FIRST_FRAME_EVERY_S,
        },
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "price_per_hour": options.price_per_hour,
    }


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error


def _plan(options: SpeedOptions) -> Iterator[_Run]:
    lengths = sorted(set(options.seconds))
    for again in range(options.warm_ups):
        yield _Run(lengths[0], 0, again)
    for number in range(1, options.repeats + 1):
        for length in lengths:
            yield _Run(length, number)


def _run_all(folder: RunFolder, options: SpeedOptions, device: str) -> None:
    runs = list(_plan(options))
    missing = [run for run in runs if not _done(folder, run, retry=options.retry)]
    if missing and len(missing) < len(runs):
        console.print(f"{count(len(runs) - len(missing), 'run')} of {len(runs)} are there already")
    if not missing:
        return
    with folder.scratch() as scratch:
        image = _picture(options.image, scratch)
        voices = _voices(options, {run.voice_s for run in missing}, scratch)
        with Progress(
            "bench", len(missing), describe=lambda counts: tally(counts, len(missing))
        ) as progress:
            for run in missing:
                row = _one(options, run, image, voices[run.voice_s], folder, scratch)
                rows = [{**row, "system": options.system, "device": device}]
                folder.write(TABLE, run.item, rows)
                progress.count(row["status"], 1)
                if row["status"] != "ok" and not folder_has_success(folder):
                    raise InputError(
                        f"the first run failed: {row['detail']}; what it said is in "
                        f"{folder.at('logs')}; mend the command, and give --retry"
                    )


def folder_has_success(folder: RunFolder) -> bool:
    """Whether any run so far gave a video."""
    return "ok" in folder.read(TABLE, ["status"])["status"].to_pylist()


def _done(folder: RunFolder, run: _Run, *, retry: bool) -> bool:
    if not folder.has(TABLE, run.item):
        return False
    return not retry or folder.read_item(TABLE, run.item)["status"][0].as_py() == "ok"


def _picture(image: Path, scratch: Path) -> Path:
    """The portrait as it is, under a name without surprises."""
    try:
        with Image.open(image) as picture:
            picture.verify()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{image}: is no picture that can be read ({error})") from error
    return Path(shutil.copy(image, scratch / f"portrait{image.suffix.lower()}"))


def _voices(options: SpeedOptions, lengths: set[float], scratch: Path) -> Mapping[float, Path]:
    """The beginning of the voice as 16-bit WAV of each length, 16 kHz, mono; one that is too short
    is repeated.
    """
    samples = read_voice(options.audio, max(lengths)).samples
    files = {}
    for length in lengths:
        cut = np.resize(samples, round(length * SAMPLE_RATE))
        files[length] = scratch / f"voice-{length:g}s.wav"
        with wave.open(str(files[length]), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes((cut * 32767).astype("<i2").tobytes())
    return files


def _one(
    options: SpeedOptions, run: _Run, image: Path, voice: Path, folder: RunFolder, scratch: Path
) -> dict[str, Any]:
    """Run once; the row of `speed_runs`, without the system and the device."""
    place, log = scratch / run.item, scratch / f"{run.item}.txt"
    place.mkdir()
    out = place / "video.mp4" if options.command.names_its_file else place
    shows = first_frame(out) if options.command.names_its_file else None
    row: dict[str, Any] = {
        "item": run.item, "voice_s": run.voice_s, "number": run.number,
        "started_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    words = options.command.filled(image, voice, out)
    try:
        seen = run_watched(words, log, options.time_limit_s, shows)
    except OSError as error:
        raise InputError(f"{words[0]}: cannot be started: {error.strerror}") from error
    row |= {
        "wall_s": seen.wall_s, "cpu_s": seen.cpu_s, "others": seen.others,
        "peak_memory_bytes": seen.peak_memory_bytes,
        "memory_reason": None if seen.peak_memory_bytes else "it ended before the first look",
        "peak_gpu_memory_bytes": seen.peak_gpu_memory_bytes,
        "gpu_memory_reason": seen.gpu_memory_reason,
    }  # fmt: skip
    try:
        row |= _good(seen, _video(seen, options, run, out, log), shows is not None)
    except NoVideoError as error:
        row |= {"status": "failed", "reason": error.reason, "detail": str(error)}
        folder.write_text(f"logs/{run.item}.txt", _tail(log))
    else:
        kept = folder.at(f"videos/{run.voice_s:g}s{options.command.video(out).suffix}")
        if run.number and not Path(kept).exists():
            folder.publish(options.command.video(out), kept[len(folder.path) + 1 :])
    shutil.rmtree(place)
    return row


def _video(seen: Watched, options: SpeedOptions, run: _Run, out: Path, log: Path) -> Video:
    """The video of a run. Raises NoVideoError."""
    if seen.timed_out:
        raise NoVideoError("timed_out", f"it ran longer than {options.time_limit_s:g} s")
    if seen.exit_code:
        lines = [line for line in _tail(log).splitlines() if line.strip()]
        said = f" ({lines[-1].strip()[:200]})" if lines else ""
        raise NoVideoError("exit_code", f"it ended with exit code {seen.exit_code}{said}")
    return look_at(options.command.video(out), run.voice_s)


def _good(seen: Watched, video: Video, waited: bool) -> dict[str, Any]:
    """What a good video adds to the row. One whose frames can be seen only at its end has its
    first frame then.
    """
    return {
        "frames": video.frames, "fps": video.fps, "width": video.width, "height": video.height,
        "video_s": video.seconds,
        "first_frame_s": min(seen.first_frame_s or seen.wall_s, seen.wall_s) if waited else None,
        "first_frame_reason": None if waited else "the command gives no name of its video",
        "status": "ok",
    }  # fmt: skip


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_BYTES))
        text = file.read().decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "\n" for c in text)


def _report(found: Timed, options: SpeedOptions) -> None:
    runs = sum(one.runs for one in found.lengths)
    failed = f", {found.failed} failed" if found.failed else ""
    _say(f"done: {options.out}: {count(runs, 'run')} of {found.system} on {found.device}{failed}")
    for one in found.lengths:
        p95 = "" if one.p95_s is None else f"95 % {one.p95_s:.2f} s, "
        first = "" if one.first_frame_s is None else f"; first frame {one.first_frame_s:.2f} s"
        _say(
            f"  {one.voice_s:g} s of voice: median {one.median_s:.2f} s, {p95}worst "
            f"{one.worst_s:.2f} s of {one.runs}; {one.frames_per_second:.1f} frames/s{first}"
        )
    _say(f"  {_fit_in_words(found)}")
    _say(f"  memory {_bytes(found.peak_memory_bytes, found.memory_reason)}, GPU memory "
         f"{_bytes(found.peak_gpu_memory_bytes, found.gpu_memory_reason)}")  # fmt: skip
    price = found.price_per_hour
    cost = None if found.fit is None or price is None else found.fit.cost(60, price)
    if cost is not None:
        _say(f"  a minute of video in one command: {cost:.4g} at {price:g} an hour")
    for line in _remarks(found):
        _say(f"  note: {line}")
    _say(f"next: dawn leaderboard RESULTS… --speed {options.out}   "
         f"(where its results are called {found.system})")  # fmt: skip


def _remarks(found: Timed) -> list[str]:
    """What makes these times worth less."""
    told = []
    if found.disturbed:
        told.append(f"other programs kept the machine busy during {count(found.disturbed, 'run')}")
    if found.fit is not None and not found.fit.told:
        told.append(
            "longer videos are not shown to take longer: give --seconds further apart, or more "
            "--repeats"
        )
    used = found.peak_gpu_memory_bytes
    if found.info["device"] == found.info["gpus"] and used is not None and used < _GPU_SAID:
        told.append("the GPU's memory did not rise; if it ran on the CPU, say so with --device")
    if found.fit is not None and found.fit.miss > 0.1:
        told.append(
            f"time is no straight line of length: the worst length is {found.fit.miss:.0%} off"
        )
    return told


def _fit_in_words(found: Timed) -> str:
    fit = found.fit
    if fit is None:
        return f"start-up and steady state: none; {found.no_fit}"
    rate = "" if fit.frames_per_second is None else f", {fit.frames_per_second:.1f} frames/s"
    return (
        f"start-up {fit.fixed_s:.2f} s [{fit.fixed_low:.2f}, {fit.fixed_high:.2f}], then "
        f"{fit.per_second:.3f} s [{fit.low:.3f}, {fit.high:.3f}] for a second of video{rate}"
    )


def _bytes(number: int | None, reason: str | None) -> str:
    return f"none ({reason})" if number is None else f"{number / 2**20:.0f} MiB"


def _say(line: str) -> None:
    console.print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line), markup=False)
