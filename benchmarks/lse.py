"""Speed of LSE against syncnet-python's own `SyncNetInstance.evaluate`, on identical crops.

`python -m benchmarks.lse` makes a track of 224 px crops with sound, writes it as the folder of JPEG
files and the WAV that `evaluate` reads, and times both in turns in one process: theirs from that
folder to its three numbers, ours from the same decoded pictures in memory to the same numbers.
Weights are random (time does not depend on them) in the layout of the released file. Times are the
clock's, which counts what else the machine does, and the processor's, which does not.
"""

import argparse
import contextlib
import io
import tempfile
import time
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.io import wavfile
from syncnet_python.SyncNetInstance import SyncNetInstance
from syncnet_python.SyncNetModel import S

from dawn.features.sync.syncnet import SyncNet
from tests.films import drift, hum


def track(folder: Path, frames: int) -> tuple[np.ndarray, np.ndarray]:
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


def now() -> np.ndarray:
    """The clock's and the processor's time, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def report(kind: str, times: np.ndarray) -> None:
    """`times` (rounds, 3): theirs, ours and the reading of files in theirs."""
    whole, own, reading = np.median(times, axis=0)
    ratios = times[:, 0] / times[:, 1]
    print(f"by the {kind}:")
    print(
        f"  syncnet-python {1 / whole:.3f} clips/s ({whole:.2f} s, {reading:.2f} s of it reading)"
    )
    print(f"  dawn           {1 / own:.3f} clips/s ({own:.2f} s)")
    print(f"  ratio {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "track"
        folder.mkdir()
        weights = Path(scratch) / "syncnet_v2.model"
        torch.manual_seed(0)
        torch.save(S(num_layers_in_fc_layers=1024).state_dict(), weights)
        frames, wav = track(folder, options.frames)
        theirs = SyncNetInstance(S(num_layers_in_fc_layers=1024), device="cpu")
        theirs.loadParameters(str(weights))
        ours = SyncNet(weights)
        settings = Namespace(tmp_dir=str(folder), batch_size=20, vshift=15)
        rows = []
        for _ in range(options.rounds + 1):
            begin = now()
            for name in sorted(folder.glob("*.jpg")):
                cv2.imread(str(name))
            read = now()
            with contextlib.redirect_stdout(io.StringIO()):
                offset, confidence, distance = theirs.evaluate(settings)
            between = now()
            result = ours.lse(frames, wav)
            rows.append((between - read, now() - between, read - begin))
    print(f"{options.frames} frames, {options.threads} thread(s), median of {options.rounds}:")
    for kind, times in zip(
        ("clock", "processor"), np.array(rows[1:]).transpose(2, 0, 1), strict=True
    ):
        report(kind, times)  # the first round was for warming up
    print(
        f"differences: LSE-C {abs(result.confidence - confidence):.1e} of {confidence:.3f}, "
        f"LSE-D {abs(result.distance - distance):.1e} of {distance:.3f}, "
        f"offset {result.offset_frames} and {offset}"
    )


if __name__ == "__main__":
    main()
