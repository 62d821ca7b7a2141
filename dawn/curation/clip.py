"""Following one face through a shot: crop, landmarks, encoded clip, one frame at a time."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.crop import CropConfig, Square, cut_square
from dawn.features.faces.landmarks import LANDMARKS, Landmarker, borrow, give_back, to_68
from dawn.features.video.encode import ClipWriter
from dawn.features.video.jumps import grey_picture

Image = NDArray[np.uint8]

_DOUBTFUL = 8
"""After so many frames without a find the mesh looks at every so-many-th only: what the detector
follows may be a picture on a shirt."""


@dataclass(slots=True)
class RawClip:
    """Frames of one face as they came: the encoded crop and the mesh of each frame."""

    start: int
    """First frame in the video at 25 fps."""
    square: Square
    video: Path
    landmarks: list[NDArray[np.float32] | None] = field(default_factory=list)
    """(478, 3) in crop pixels, None where the mesh saw no face."""
    changes: list[float] = field(default_factory=list)
    """Mean change of each crop against the one before, in grey levels; 0 for the first."""
    greys: list[Image] = field(default_factory=list)
    """Each crop as `largest_jump` takes it."""
    kept: dict[int, Image] = field(default_factory=dict)
    """Every `keep_every`-th crop, for measures that need pixels."""

    @property
    def frames(self) -> int:
        """Length of the clip."""
        return len(self.landmarks)

    def filled(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Landmarks (T, 478, 3), gaps interpolated in time, and where the mesh found a face."""
        found = np.array([points is not None for points in self.landmarks])
        known = np.flatnonzero(found)
        values = np.stack([points for points in self.landmarks if points is not None])
        filled = np.empty((self.frames, LANDMARKS, 3), np.float32)
        filled[known] = values
        for t in np.flatnonzero(~found):
            after = np.searchsorted(known, t)  # a clip begins and ends with a found face
            a, b = known[after - 1], known[after]
            share = (t - a) / (b - a)
            filled[t] = (1 - share) * values[after - 1] + share * values[after]
        # Steps of 1/64 px: far below the mesh's own noise, and they compress to half.
        return np.round(filled * 64) / 64, found


class ClipFollower:
    """Turns one track's frames into clips.

    A clip begins at a frame where the mesh finds the face and ends where it has lost it for more
    than `max_gap` frames or the track ends, trimmed to the last find.
    """

    def __init__(
        self,
        square: Square,
        config: CropConfig,
        folder: Path,
        name: str,
        max_gap: int,
        keep_every: int,
        backend: str,
    ) -> None:
        self._square, self._config = square, config
        self._folder, self._name = folder, name
        self._max_gap, self._keep_every = max_gap, keep_every
        self._backend = backend
        self._mesh: Landmarker | None = borrow(backend)
        self._mesh_side = min(square.side, 512)
        self._clip: RawClip | None = None
        self._writer: ClipWriter | None = None
        self._unsure: list[Image] = []
        self._unseen = 0
        self._last: Image | None = None
        self.clips: list[tuple[RawClip, ClipWriter]] = []
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, index: int, picture: Image) -> None:
        """Look at the source picture of video frame `index`."""
        if self._unseen >= _DOUBTFUL and self._unseen % _DOUBTFUL:
            self._unseen += 1
            return
        begin = time.perf_counter()
        crop = cut_square(picture, self._square, self._config.size)
        points = self._detect(picture, crop)
        meshed = time.perf_counter()
        if points is None:
            self._lose(crop)
        else:
            self._unseen = 0
            self._find(index, crop, points)
        self.seconds["mesh"] += meshed - begin
        self.seconds["encode"] += time.perf_counter() - meshed

    def close(self) -> None:
        """The track has ended; its mesh is free for another."""
        self._end()
        if self._mesh is not None:
            give_back(self._mesh, self._backend)
        self._mesh = None

    def _detect(self, picture: Image, crop: Image) -> NDArray[np.float32] | None:
        """Landmarks in crop pixels, from as many source pixels as the mesh can use."""
        size = self._config.size
        if self._mesh is None:
            raise RuntimeError("the track was closed")
        if self._mesh_side <= size:
            return self._mesh.detect(crop)
        points = self._mesh.detect(cut_square(picture, self._square, self._mesh_side))
        return None if points is None else points * np.float32(size / self._mesh_side)

    def _find(self, index: int, crop: Image, points: NDArray[np.float32]) -> None:
        if self._clip is None or self._writer is None:
            path = self._folder / f"{self._name}-{index}.mp4"
            self._clip = RawClip(index, self._square, path)
            self._writer = ClipWriter(path, self._config.size)
            self._unsure = []
        for unsure in self._unsure:
            self._append(unsure, None)
        self._unsure = []
        self._append(crop, points)

    def _lose(self, crop: Image) -> None:
        if self._clip is None:
            self._unseen += 1
            return
        self._unsure.append(crop)
        if len(self._unsure) > self._max_gap:
            self._end()

    def _append(self, crop: Image, points: NDArray[np.float32] | None) -> None:
        if self._clip is None or self._writer is None:
            raise RuntimeError("no clip is open")
        if self._clip.frames % self._keep_every == 0:
            self._clip.kept[self._clip.frames] = crop
        self._writer.add(crop)
        self._clip.landmarks.append(points)
        before, self._last = self._last, crop
        new = before is None or self._clip.frames == 1
        change = 0.0 if new else cv2.norm(crop, before, cv2.NORM_L1) / crop.size
        self._clip.changes.append(change)
        self._clip.greys.append(grey_picture(crop))

    def _end(self) -> None:
        if self._clip is not None and self._writer is not None:
            self.clips.append((self._clip, self._writer))
        self._clip = self._writer = None
        self._unsure = []


def face_boxes(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """x_min, x_max, y_min, y_max of the 68 points of each frame, (T, 478, 3) to (T, 4)."""
    points = to_68(landmarks)[..., :2]
    low, high = points.min(axis=1), points.max(axis=1)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)
