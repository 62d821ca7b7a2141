"""Mutated media files: `python -m tests.fuzz [COUNT] [SEED]` reads COUNT of them and judges.

Each is a small film in one of several containers with bits flipped, pieces zeroed, cut out,
doubled or exchanged with another film's. Reading must end: with frames and sound, or with
UnreadableVideoError. Every frame tells its number, so that what is shown can be judged: of the
frames in runs that could become clips, at most 2 % may be damaged or repeated. Single files exceed
that: decoders cannot see every flipped bit (VP8 carries no checks, H.264 few).
"""

import multiprocessing
import random
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from dawn.features.sound.read import read_sound
from dawn.features.video.decode import read_pictures
from dawn.features.video.probe import Limits, probe
from manifests.reasons import UnreadableVideoError

FRAMES, SIDE, RATE = 75, 96, 44_100
SHORTEST = 41
"""Frames from which a run can become an accepted clip (`filters.min_seconds`)."""
ALLOWED = 0.02
VISIBLE = 6.0
"""Mean absolute difference, in grey levels, from which a frame counts as damaged."""
_SECONDS = 120
KINDS = {
    "mp4": "libx264",
    "mkv": "libx264",
    "ts": "libx264",
    "avi": "mpeg4",
    "flv": "libx264",
    "mpg": "mpeg2video",
    "webm": "libvpx",
}


def picture(k: int) -> NDArray[np.uint8]:
    """Frame k (SIDE, SIDE): a texture that moves, no two frames alike."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    waves = np.sin((columns + 3 * k) / 7) + np.sin((rows - 2 * k) / 11) + np.sin(k / 9)
    grey: NDArray[np.uint8] = (128 + 38 * waves).clip(0, 255).astype(np.uint8)
    return grey


def write_film(path: Path, codec: str) -> Path:
    """A film of all frames with sound."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        stream.codec_context.gop_size = 20
        kind = {".webm": "libopus", ".mpg": "mp2"}.get(path.suffix, "aac")
        rate = 48_000 if kind == "libopus" else RATE
        audio = container.add_stream(kind, rate=rate, layout="mono")
        for k in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(k), format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(stream.encode(frame))
        tone = np.sin(np.arange(FRAMES * rate // 25) / 20).astype(np.float32)[None]
        kind_of = "flt" if kind == "libopus" else "s16" if kind == "mp2" else "fltp"
        samples = tone if kind_of != "s16" else (tone * 20_000).astype(np.int16)
        for begin in range(0, samples.shape[1], 1024):
            part = np.ascontiguousarray(samples[:, begin : begin + 1024])
            sound = av.AudioFrame.from_ndarray(part, format=kind_of, layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = rate, begin, Fraction(1, rate)
            container.mux(audio.encode(sound))
        container.mux(stream.encode(None))
        container.mux(audio.encode(None))
    return path


def mutate(data: bytes, other: bytes, draw: random.Random) -> tuple[str, bytes]:
    """One kind of damage, done to a copy of `data`; `other` is another film."""
    kind = draw.choice(["bits", "zeros", "cut out", "cut off", "doubled", "spliced", "exchanged"])
    size = len(data)
    a, b = sorted(draw.randrange(size) for _ in range(2))
    b = min(b, a + draw.choice([64, 1024, 16_384]))
    result = bytearray(data)
    if kind == "bits":
        for _ in range(draw.choice([1, 8, 64])):
            result[draw.randrange(size)] ^= 1 << draw.randrange(8)
    elif kind == "zeros":
        result[a:b] = bytes(b - a)
    elif kind == "cut out":
        del result[a:b]
    elif kind == "cut off":
        del result[draw.randrange(size // 4, size) :]
    elif kind == "doubled":
        result[b:b] = result[a:b]
    elif kind == "spliced":
        result[a:] = other[min(a, len(other) // 2) :]
    else:
        result[a:b] = other[a:b]
    return kind, bytes(result)


@dataclass(frozen=True, slots=True)
class Seen:
    """What reading one file gave."""

    ended: str
    frames: int = 0
    damaged: int = 0
    repeated: int = 0
    worst: float = 0.0
    """Largest share of damaged or repeated frames in a run."""


def read(path: Path) -> Seen:
    """Read a file as ingest does and judge what is shown."""
    try:
        info = probe(path, Limits(min_data_share=0))
        shown = [(i, image[..., 1]) for i, image, *_ in read_pictures(path, info)]
        sound = read_sound(path, info, 0, min(info.frames, 500))
        if not np.isfinite(sound).all() or len(sound) != min(info.frames, 500) * 640:
            return Seen("sound of wrong length or without numbers")
    except UnreadableVideoError as error:
        return Seen(str(error.reason))
    truth = np.stack([picture(k) for k in range(FRAMES)]).astype(np.float32)
    frames = damaged = repeated = 0
    worst = 0.0
    for _, group in groupby(enumerate(shown), key=lambda pair: pair[1][0] - pair[0]):
        run = [image for _, (_, image) in group]
        if len(run) < SHORTEST:
            continue
        numbers, bad = [], 0
        for image in run:
            if image.shape != truth.shape[1:]:
                return Seen("another size")
            errors = np.abs(truth - image).mean(axis=(1, 2))
            numbers.append(int(errors.argmin()))
            bad += bool(errors.min() > VISIBLE)
        same = sum(a == b for a, b in pairwise(numbers))
        frames, damaged, repeated = frames + len(run), damaged + bad, repeated + same
        # One repeated frame is how a longer step looks at 25 fps.
        worst = max(worst, max(bad, same - 1) / len(run))
    return Seen("read", frames, damaged, repeated, worst)


@dataclass(slots=True)
class Report:
    """What reading many files gave."""

    ends: Counter[str]
    faults: list[str]
    """A line for each file whose reading did not end as it should."""
    spoilt: list[str]
    """A line for each file with more than ALLOWED damaged or repeated frames in a run."""
    frames: int = 0
    bad: int = 0
    """Of the frames, how many were damaged or repeated."""


def run(count: int, seed: int) -> Report:
    """Read `count` mutated files, each in a process that may crash."""
    report = Report(Counter(), [], [])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = {s: write_film(folder / f"film.{s}", codec) for s, codec in KINDS.items()}
        whole = {suffix: film.read_bytes() for suffix, film in films.items()}
        for suffix, film in films.items():
            seen = read(film)
            if seen.ended != "read" or seen.worst > 0 or seen.frames < FRAMES - 2:
                report.faults.append(f"the whole {suffix}: {seen}")
        pool = _pool()
        for k in range(count):
            draw = random.Random(f"{seed}/{k}")
            suffix = draw.choice(sorted(whole))
            kind, data = mutate(whole[suffix], whole[draw.choice(sorted(whole))], draw)
            path = folder / f"{k}.{suffix}"
            path.write_bytes(data)
            try:
                seen = pool.submit(read, path).result(timeout=_SECONDS)
            except BrokenProcessPool:
                seen, pool = Seen("the process crashed"), _pool()
            except TimeoutError:
                for process in pool._processes.values():
                    process.kill()
                seen, pool = Seen("reading hangs"), _pool()
            except Exception as error:  # noqa: BLE001 - any is a fault to report
                seen = Seen(f"{type(error).__name__}: {error}"[:100])
            report.ends[seen.ended] += 1
            report.frames += seen.frames
            report.bad += seen.damaged + seen.repeated
            line = f"{k} ({suffix}, {kind}): {seen}"
            if " " in seen.ended:
                report.faults.append(line)
            elif seen.worst > ALLOWED:
                report.spoilt.append(line)
            else:
                line = ""
            if line:
                print(line, flush=True)  # noqa: T201 - a long run that is stopped has told what it found
            path.unlink()
        pool.shutdown(wait=False, cancel_futures=True)
    return report


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


if __name__ == "__main__":
    count, seed = map(int, [*sys.argv[1:], *("100", "0")[len(sys.argv) - 1 :]])
    found = run(count, seed)
    print(*found.faults, *found.spoilt, sep="\n")  # noqa: T201
    print(dict(found.ends), f"{found.bad} of {found.frames} frames bad")  # noqa: T201
    sys.exit(bool(found.faults) or found.bad > ALLOWED * found.frames)
