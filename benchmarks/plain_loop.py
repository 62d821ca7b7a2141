"""The floor of ingest: the loop that its user would write from the libraries' documentation.

PyAV decodes each frame, MediaPipe's face mesh looks at it, PyAV encodes it with x264 at the clip's
size. Nothing of this project is imported. Libraries are left at their defaults but for three: the
mesh finds the irises too and the encoder has the clips' preset and quality, so that the work is the
same, and decoder and encoder have one thread, so that the loop takes one core.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "3")  # MediaPipe's notices

import av
import cv2
import mediapipe

ENCODER = {"preset": "veryfast", "crf": "18", "threads": "1"}


def loop_seconds(videos: Iterable[Path], target: Path, size: int, rate: int) -> float:
    """Seconds to take all videos through the loop; each overwrites `target`."""
    begin = time.perf_counter()
    for path in videos:
        loop(path, target, size, rate)
    return time.perf_counter() - begin


def loop(source: Path, target: Path, size: int, rate: int) -> None:
    """Decode, find the face, encode, frame by frame."""
    with (
        av.open(str(source)) as video,
        av.open(str(target), "w") as clip,
        mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh,
    ):
        video.streams.video[0].codec_context.thread_count = 1
        stream = clip.add_stream("libx264", rate=rate, options=ENCODER)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for frame in video.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            mesh.process(image)
            small = cv2.resize(image, (size, size))
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
        clip.mux(stream.encode())
