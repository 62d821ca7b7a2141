"""S3FD faces (Zhang et al. 2017, arXiv 1708.05237) as the SyncNet pipeline finds and follows them.

The network, its priors and its non-maximum suppression are the `syncnet-python` package's, with
`sfd_face.pth`; scale 0.25, confidence over 0.9, as run_pipeline.py of joonson/syncnet_python.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.device import CPU, Placement, batch_on, exact
from dawn.features.faces.detection import overlap
from dawn.features.sync.package import syncnet_parts
from dawn.weights import load_into, load_state

if TYPE_CHECKING:  # torch takes a second to import; tracks need none
    from torch import Tensor

SIDE = 512
"""Pictures are brought to this side first: at 0.25 the detector misses faces under 100 px."""

SCALE = 0.25
CONFIDENCE = 0.9
_MEAN = np.array([123, 117, 104], np.float32)[:, None, None]
_MOST_COMMON = 0.1
"""Overlap up to which two boxes stay."""

_PICTURE_BYTES, _MOST_PICTURES = 48 * 2**20, 64
"""What the network holds of a picture while it computes, and the pictures at once."""

MIN_OVERLAP = 0.5
MAX_GAP = 25
"""Frames that a face may be unseen for within a track; boxes between are interpolated."""

MIN_FACE = 100.0
"""Pixels of a picture of `SIDE`: tracks of smaller faces do not count."""

Boxes = NDArray[np.float64]


class S3fd:
    """S3FD with its weights loaded."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Load `sfd_face.pth` strictly; InputError says what is wrong with the file."""
        with syncnet_parts():
            from syncnet_python.detectors.s3fd.box_utils import nms_
            from syncnet_python.detectors.s3fd.nets import S3FDNet

        network: Any = S3FDNet(device=place.device)
        load_into(network, load_state(path), path)
        self._network = network.eval().to(place.device)
        self._chosen, self._apart = network.detect, nms_
        network.detect = _Undecided()
        self._device = place.device
        self._batch = batch_on(place, _PICTURE_BYTES, on_cpu=1, most=_MOST_PICTURES)

    def detect(self, picture: NDArray[np.uint8]) -> Boxes:
        """Square RGB picture (S, S, 3) to boxes (N, 4), surest first, in a picture of `SIDE`."""
        return self.detect_all(picture[np.newaxis])[0]

    def detect_all(self, pictures: NDArray[np.uint8]) -> list[Boxes]:
        """The same of several pictures (n, S, S, 3)."""
        import torch

        found = []
        for start in range(0, len(pictures), self._batch):
            part = pictures[start : start + self._batch]
            # In memory of PyTorch's: where an array begins decides a CPU's last bits.
            batch = torch.stack([torch.from_numpy(_prepared(picture)) for picture in part])
            with exact():
                answers = self._network(batch.to(self._device))
                # A face at a time is chosen: on a GPU each would wait for the one before.
                chosen = self._chosen.forward(*(answer.cpu() for answer in answers))
            found += [self._boxes(faces) for faces in chosen[:, 1].numpy()]
        return found

    def _boxes(self, faces: NDArray[np.float32]) -> Boxes:
        """Scores and boxes in 0..1 (750, 5), surest first, to `detect`'s boxes."""
        sure = faces[faces[:, 0] > np.float32(CONFIDENCE)]
        rows = np.concatenate([sure[:, 1:] * np.float32(SIDE), sure[:, :1]], axis=1)
        rows = rows.astype(np.float64)
        return rows[self._apart(rows, _MOST_COMMON), :4]


class _Undecided:
    """In the place of the network's own choice of faces: all that it is made from."""

    def forward(self, *answers: "Tensor") -> "tuple[Tensor, ...]":
        """Offsets of boxes, scores and the boxes themselves, as given."""
        return answers


def _prepared(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Square RGB picture (S, S, 3) to the network's input (3, 128, 128), as the package makes it
    of one that was brought to `SIDE`.
    """
    if len(picture) != SIDE:
        how = cv2.INTER_AREA if len(picture) > SIDE else cv2.INTER_CUBIC
        picture = np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=how), np.uint8)
    small = cv2.resize(picture, (0, 0), fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR)
    return np.asarray(small.transpose(2, 0, 1).astype(np.float32) - _MEAN, dtype=np.float32)


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
