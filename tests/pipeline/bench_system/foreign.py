"""A system of somebody else's: it shows the portrait for as long as the voice lasts."""

import sys
import time
import wave
from pathlib import Path

import av
import numpy as np
from PIL import Image


def main(image: str, audio: str, out: str, fault: str = "") -> None:
    with wave.open(audio) as file:
        frames = round(25 * file.getnframes() / file.getframerate())
    if fault == "fails":
        raise SystemExit("CUDA out of memory")
    if fault == "nothing":
        return
    if fault == "hangs":
        time.sleep(600)
    if fault == "short":
        frames //= 2
    target = Path(out) / "2026.mp4" if fault == "folder" else Path(out)
    picture = np.asarray(Image.open(image).convert("RGB").resize((64, 64)))
    if sys.stdin.read():
        raise SystemExit("there is something to read")
    with av.open(str(target), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(frames):
            shown = np.roll(picture, number, axis=0)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode(None))
    if fault == "cut":
        target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])


if __name__ == "__main__":
    main(*sys.argv[1:])
