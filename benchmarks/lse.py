"""Speed of LSE against syncnet-python's own `SyncNetInstance.evaluate`, on identical crops.

`python -m benchmarks.lse` makes a track of 224 px crops with sound, writes it as the folder of JPEG
files and the WAV that `evaluate` reads, and times both in turns in one process: theirs from that
folder to its three numbers, ours from the same decoded pictures in memory to the same numbers.
Weights are random (time does not depend on them) in the layout of the released file. Times are the
clock's, which counts what else the machine does, and the processor's, which does not.
"""

import contextlib
import io
import tempfile
import time
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import wavfile
from syncnet_python.SyncNetInstance import SyncNetInstance
from syncnet_python.SyncNetModel import S

from benchmarks.report import Report, arguments, parse
from dawn.features.sync.syncnet import SyncNet
from tests.films import drift, hum


def track(folder: Path, frames: int) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Writes what `evaluate` reads; returns the same pictures, BGR, and sound."""
    pictures = []
    for number, picture in enumerate(drift(frames)):
        name = str(folder / f"{number:06d}.jpg")
        cv2.imwrite(name, cv2.resize(picture, (224, 224)), [cv2.IMWRITE_JPEG_QUALITY, 95])
        pictures.append(cv2.imread(name))
    rng = np.random.default_rng(0)
    wav = ((hum(frames) + rng.normal(0, 0.02, frames * 640)) * 20000).clip(-32768, 32767)
    wavfile.write(folder / "audio.wav", 16000, wav.astype(np.int16))
    return np.stack(pictures), wav.astype(np.int16)


def now() -> NDArray[np.float64]:
    """The clock's and the processor's time, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


class Race:
    """Both programs on one track."""

    def __init__(self, scratch: Path, frames: int) -> None:
        self._folder = scratch / "track"
        self._folder.mkdir()
        weights = scratch / "syncnet_v2.model"
        torch.manual_seed(0)
        torch.save(S(num_layers_in_fc_layers=1024).state_dict(), weights)
        self._frames, self._wav = track(self._folder, frames)
        self._theirs = SyncNetInstance(S(num_layers_in_fc_layers=1024), device="cpu")
        self._theirs.loadParameters(str(weights))
        self._ours = SyncNet(weights)
        self._settings = Namespace(tmp_dir=str(self._folder), batch_size=20, vshift=15)

    def round(self) -> NDArray[np.float64]:
        """Times (clock and processor, 3): theirs, ours and the reading of files in theirs."""
        begin = now()
        for name in sorted(self._folder.glob("*.jpg")):
            cv2.imread(str(name))
        read = now()
        with contextlib.redirect_stdout(io.StringIO()):
            self.reference = self._theirs.evaluate(self._settings)
        between = now()
        self.result = self._ours.lse(self._frames, self._wav)
        return np.stack((between - read, now() - between, read - begin), axis=1)

    def say_differences(self, report: Report) -> None:
        """How far the two programs' numbers of the last round are apart."""
        offset, confidence, distance = self.reference
        ours = self.result
        print(
            f"differences: LSE-C {abs(ours.confidence - confidence):.1e} of {confidence:.3f}, "
            f"LSE-D {abs(ours.distance - distance):.1e} of {distance:.3f}, "
            f"offset {ours.offset_frames} and {offset}"
        )
        report.figure("LSE-C", ours.confidence, "LSE-C", floor=float(confidence))
        report.figure("LSE-D", ours.distance, "LSE-D", floor=float(distance))


def say_times(report: Report, kind: str, times: NDArray[np.float64]) -> None:
    """`times` (rounds, 3) by the clock or the processor; the ratio is the median over rounds."""
    whole, own, reading = np.median(times, axis=0)
    ratios = times[:, 0] / times[:, 1]
    print(f"by the {kind}:")
    print(
        f"  syncnet-python {1 / whole:.3f} clips/s ({whole:.2f} s, {reading:.2f} s of it reading)"
    )
    print(f"  dawn           {1 / own:.3f} clips/s ({own:.2f} s)")
    print(f"  ratio {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    report.figure(
        f"by the {kind}", 1 / own, "clips/s", floor=1 / whole, ratio=float(np.median(ratios))
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parse(parser, frames=16, rounds=1)
    torch.set_num_threads(options.threads)
    report = Report("lse")
    with tempfile.TemporaryDirectory() as scratch:
        race = Race(Path(scratch), options.frames)
        race.round()  # for warming up
        rounds = np.stack([race.round() for _ in range(options.rounds)])
    print(f"{options.frames} frames, {options.threads} thread(s), median of {options.rounds}:")
    for place, kind in enumerate(("clock", "processor")):
        say_times(report, kind, rounds[:, place])
    race.say_differences(report)


if __name__ == "__main__":
    main()
