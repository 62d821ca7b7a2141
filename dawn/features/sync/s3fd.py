"""S3FD faces (Zhang et al. 2017, arXiv 1708.05237) as the SyncNet pipeline finds and follows them.

The network, its priors and its non-maximum suppression are the `syncnet-python` package's, with
`sfd_face.pth`; scale 0.25, confidence over 0.9, as run_pipeline.py of joonson/syncnet_python.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.detection import overlap
from dawn.features.sync.package import syncnet_parts
from dawn.weights import load_into, load_state

SIDE = 512
"""Pictures are brought to this side first: at 0.25 the detector misses faces under 100 px."""

SCALE = 0.25
CONFIDENCE = 0.9
MIN_OVERLAP = 0.5
MAX_GAP = 25
"""Frames that a face may be unseen for within a track; boxes between are interpolated."""

MIN_FACE = 100.0
"""Pixels of a picture of `SIDE`: tracks of smaller faces do not count."""

Boxes = NDArray[np.float64]


class S3fd:
    """S3FD with its weights loaded."""

    def __init__(self, path: Path) -> None:
        """Load `sfd_face.pth` strictly; InputError says what is wrong with the file."""
        with syncnet_parts():
            from syncnet_python.detectors.s3fd import S3FD
            from syncnet_python.detectors.s3fd.nets import S3FDNet

        network = S3FDNet(device="cpu")
        load_into(network, load_state(path), path)
        self._detector: Any = S3FD(net=network, device="cpu")

    def detect(self, picture: NDArray[np.uint8]) -> Boxes:
        """Square RGB picture (S, S, 3) to boxes (N, 4), surest first, in a picture of `SIDE`."""
        large = picture
        if len(picture) != SIDE:
            how = cv2.INTER_AREA if len(picture) > SIDE else cv2.INTER_CUBIC
            large = np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=how), np.uint8)
        found = self._detector.detect_faces(large, conf_th=CONFIDENCE, scales=[SCALE])
        return np.asarray(found[:, :4], dtype=np.float64)


def longest_track(found: Sequence[Boxes], min_frames: int) -> tuple[int, Boxes] | None:
    """The first frame and the boxes (T, 4), one a frame, of the face that is followed longest;
    None where none is followed over more than `min_frames` sightings or all are too small.

    A box belongs to the track whose last box it overlaps by more than half, as in the pipeline's
    `_track`, except that there the search of a frame ends at the first box that does not.
    """
    tracks: list[list[tuple[int, Boxes]]] = []
    for frame, boxes in enumerate(found):
        free = list(boxes)
        for track in tracks:
            last, box = track[-1]
            if frame - last > MAX_GAP:
                continue
            match = next((k for k, b in enumerate(free) if overlap(box, b) > MIN_OVERLAP), None)
            if match is not None:
                track.append((frame, free.pop(match)))
        tracks += [[(frame, box)] for box in free]
    best: tuple[int, Boxes] | None = None
    for track in tracks:
        if len(track) <= min_frames:
            continue
        seen = [frame for frame, _ in track]
        known = np.stack([box for _, box in track])
        every = np.arange(seen[0], seen[-1] + 1)
        filled = np.stack([np.interp(every, seen, known[:, k]) for k in range(4)], axis=1)
        size = (filled[:, 2:] - filled[:, :2]).mean(axis=0).max()
        if size > MIN_FACE and (best is None or len(filled) > len(best[1])):
            best = seen[0], filled
    return best
