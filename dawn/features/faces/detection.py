"""Faces in a video: where they are, and which boxes of which frames are one person."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.landmarks import mediapipe_solutions

Box = NDArray[np.float64]
"""x_min, y_min, x_max, y_max in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceConfig:
    """How faces are found and followed."""

    detect_every: int = 8
    """Frames from one detection to the next; boxes between are interpolated."""
    min_confidence: float = 0.5
    min_overlap: float = 0.3
    """Intersection over union from which two boxes are the same person's."""
    max_gap_frames: int = 16
    """A face unseen for longer begins a new track."""
    min_track_frames: int = 10
    """A shorter track is noise, not a clip; the video's row counts it."""

    def __post_init__(self) -> None:
        if self.detect_every < 1 or self.min_track_frames < 1:
            raise ValueError("detect_every and min_track_frames: give at least 1 frame")


@dataclass(slots=True)
class Track:
    """One face over consecutive frames: boxes at the frames where it was detected."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def boxes_at(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Boxes (N, 4) at any frames, interpolated linearly and held at the ends."""
        known = np.stack(self.boxes)
        return np.stack([np.interp(frames, self.frames, known[:, k]) for k in range(4)], axis=1)


class FaceDetector:
    """MediaPipe's BlazeFace: the short-range model, and the full-range one where it sees none."""

    def __init__(self, min_confidence: float) -> None:
        self._models = _models(min_confidence)

    def detect(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of the faces in an RGB picture (H, W, 3), in its pixels, largest first."""
        image = np.ascontiguousarray(image)
        for model in self._models:
            found = model.process(image).detections or []
            if found:
                boxes = [_box(one, image.shape[1], image.shape[0]) for one in found]
                return sorted(boxes, key=lambda box: (-_area(box), *box))
        return []


@lru_cache(maxsize=2)
def _models(min_confidence: float) -> tuple[Any, ...]:
    """Kept for the life of the process: they hold no state, and 19 MB each if dropped unclosed."""
    detection = mediapipe_solutions().face_detection
    return tuple(
        detection.FaceDetection(model_selection=model, min_detection_confidence=min_confidence)
        for model in (0, 1)
    )


def link(detections: list[tuple[int, list[Box]]], config: FaceConfig) -> list[Track]:
    """Join one shot's detections into tracks, greedily by overlap. Sorted by first frame."""
    tracks: list[Track] = []
    for frame, boxes in detections:
        alive = [t for t in tracks if frame - t.frames[-1] <= config.max_gap_frames]
        pairs = sorted(
            (
                (overlap(track.boxes[-1], box), i, j)
                for i, track in enumerate(alive)
                for j, box in enumerate(boxes)
            ),
            key=lambda pair: (-pair[0], pair[1], pair[2]),
        )
        taken: set[int] = set()
        fed: set[int] = set()
        for share, i, j in pairs:
            if share >= config.min_overlap and i not in fed and j not in taken:
                alive[i].frames.append(frame)
                alive[i].boxes.append(boxes[j])
                fed.add(i)
                taken.add(j)
        tracks += [Track([frame], [box]) for j, box in enumerate(boxes) if j not in taken]
    return tracks


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return float(shared / (_area(a) + _area(b) - shared))


def _area(box: Box) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _box(detection: Any, width: int, height: int) -> Box:  # noqa: ANN401 - a protobuf message
    part = detection.location_data.relative_bounding_box
    x, y = part.xmin * width, part.ymin * height
    return np.array([x, y, x + part.width * width, y + part.height * height])
