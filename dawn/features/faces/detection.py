"""Faces in a video: where they are, and which boxes of which frames are one person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.crop import Square, cut_square
from dawn.features.faces.landmarks import FaceMesh, mediapipe_solutions, to_68

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


_SAME = 0.5
"""Overlap from which two boxes of one picture are one face."""
_LIKE_SIZE = 1.5

_STEADY = 0.85
"""Overlap of the detector's boxes of two looks from which the face moved and changed too little
for the mesh to look again. On eight real clips, as they are and with faces of 20, 10 and 6 % of the
picture's width, 0.32 to 0.45 of the looks are left and the side around all of a face's boxes is off
by up to 7 %. At 0.80 that is 10 % where faces are small, for 0.28 to 0.34 of the looks; 0.90 leaves
0.37 to 0.56 and is off by 6 %. Verdicts, cuts, tracks and blinks of the ten clips are the same from
0.80 to a look each time."""
_MOST_CARRIED = 3
"""Looks in succession that the mesh may be spared."""

_LOOK_SIDE = 256
"""Pixels of the square in which the mesh looks for a detected face."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face that was seen in one picture."""

    box: Box
    """Around the mesh's 68 points; the detector's box where the mesh sees no face."""
    confirmed: bool
    """Whether the mesh sees one: the detector alone also sees them in badges and shirts."""
    detected: Box | None = None
    """The detector's box."""
    carried: int = 0
    """Looks since the mesh's last."""

    def carry(self, detected: Box) -> "Face | None":
        """The same face where the detector now sees it; None where the mesh should look again."""
        if not self.confirmed or self.detected is None or self.carried >= _MOST_CARRIED:
            return None
        if overlap(self.detected, detected) < _STEADY:
            return None
        step = np.tile(_middle(detected) - _middle(self.detected), 2)
        return Face(self.box + step, True, detected, self.carried + 1)


@dataclass(slots=True)
class Track:
    """One face over consecutive frames: where it was seen at the frames that were looked at."""

    frames: list[int] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)

    def add(self, frame: int, face: Face) -> None:
        """See it once more."""
        self.frames.append(frame)
        self.faces.append(face)

    @property
    def is_face(self) -> bool:
        """Whether the mesh saw a face at half of the looks."""
        return 2 * sum(face.confirmed for face in self.faces) >= len(self.faces)

    def predicted(self, frame: int) -> Box:
        """Where it would be if it moved on as it did between the last two looks."""
        if len(self.frames) < 2:
            return self.faces[-1].box
        last, before = self.faces[-1].box, self.faces[-2].box
        step = (_middle(last) - _middle(before)) / (self.frames[-1] - self.frames[-2])
        moved: Box = last + np.tile(step, 2) * (frame - self.frames[-1])
        return moved

    def boxes_at(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Boxes (N, 4) at any frames, interpolated linearly and held at the ends; the mesh's alone
        where it sees the face at all.
        """
        sure = [face.confirmed for face in self.faces]
        counted = sure if any(sure) else [True] * len(sure)
        when = np.asarray(self.frames)[counted]
        known = np.stack([face.box for face in self.faces])[counted]
        return np.stack([np.interp(frames, when, known[:, k]) for k in range(4)], axis=1)


class FaceDetector:
    """MediaPipe's BlazeFace, the short-range model, and the full-range one where it sees none; its
    mesh then says where exactly each face is. At a tenth of the picture's size BlazeFace's boxes
    are up to twice the face.
    """

    def __init__(self, min_confidence: float) -> None:
        self._models = _models(min_confidence)

    def find(
        self,
        image: NDArray[np.uint8],
        width: int,
        whole: Callable[[], NDArray[np.uint8]],
        before: Sequence[Face] = (),
    ) -> list[Face]:
        """The faces in an RGB picture (H, W, 3), in pixels of `whole()`, the same picture in its
        full width, which is asked for only where the mesh must look: not for a face that hardly
        moved since a look `before` in the same shot. Largest first.
        """
        scale = width / image.shape[1]
        picture: NDArray[np.uint8] | None = None
        faces: list[Face] = []
        for box in (small * scale for small in self.detect(image)):
            carried = [same for old in before if (same := old.carry(box)) is not None]
            if not carried and picture is None:
                picture = whole()
            face = carried[0] if picture is None or carried else confirm(picture, box)
            if all(overlap(face.box, other.box) < _SAME for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: (-_area(face.box), *face.box))

    def find_all(self, image: NDArray[np.uint8], picture: NDArray[np.uint8]) -> list[Face]:
        """The faces in a still `picture` (H, W, 3), of which `image` is the same or smaller: with
        both models, since the short-range one is content with the large faces and takes small ones
        that stand close for one. Largest first.
        """
        scale = picture.shape[1] / image.shape[1]
        seen = [box * scale for model in self._models for box in self._boxes(model, image)]
        faces: list[Face] = []
        for face in sorted((confirm(picture, box) for box in seen), key=lambda f: not f.confirmed):
            if all(overlap(face.box, other.box) < _SAME for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: (-_area(face.box), *face.box))

    def detect(self, image: NDArray[np.uint8]) -> list[Box]:
        """BlazeFace's boxes in an RGB picture (H, W, 3), in its pixels, largest first."""
        for model in self._models:
            if boxes := self._boxes(model, image):
                return boxes
        return []

    def _boxes(self, model: Any, image: NDArray[np.uint8]) -> list[Box]:  # noqa: ANN401 - MediaPipe's
        found = model.process(np.ascontiguousarray(image)).detections or []
        boxes = [_box(one, image.shape[1], image.shape[0]) for one in found]
        return sorted(boxes, key=lambda box: (-_area(box), *box))


def confirm(picture: NDArray[np.uint8], box: Box) -> Face:
    """Look with the mesh for the face that the detector saw in a box of a picture (H, W, 3)."""
    middle = _middle(box)
    side = max(2, round(2 * float(max(box[2:] - box[:2]))))
    square = Square(round(middle[0] - side / 2), round(middle[1] - side / 2), side)
    points = _mesh().detect(cut_square(picture, square, _LOOK_SIDE))
    if points is None:
        return Face(box, False, box)
    corners = to_68(points)[:, :2].astype(np.float64) * (side / _LOOK_SIDE)
    corners += (square.x, square.y)
    found = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    centre = _middle(found)
    is_it = bool((centre >= box[:2]).all() and (centre <= box[2:]).all())  # else a neighbour
    return Face(found if is_it else box, is_it, box)


@lru_cache(maxsize=1)
def _mesh() -> FaceMesh:
    return FaceMesh(still=True, coarse=True)


@lru_cache(maxsize=2)
def _models(min_confidence: float) -> tuple[Any, ...]:
    """Kept for the life of the process: they hold no state, and 19 MB each if dropped unclosed."""
    detection = mediapipe_solutions().face_detection
    return tuple(
        detection.FaceDetection(model_selection=model, min_detection_confidence=min_confidence)
        for model in (0, 1)
    )


def link(detections: list[tuple[int, list[Face]]], config: FaceConfig) -> list[Track]:
    """Join one shot's faces into tracks. Sorted by first frame.

    First by overlap with where a track was or would be by now, the largest first. What is left, a
    head that moved by more than itself, joins a track only where each is the other's one choice.
    """
    tracks: list[Track] = []
    for frame, faces in detections:
        alive = [t for t in tracks if frame - t.frames[-1] <= config.max_gap_frames]
        pairs = sorted(
            (
                (max(overlap(b, face.box) for b in (t.faces[-1].box, t.predicted(frame))), i, j)
                for i, t in enumerate(alive)
                for j, face in enumerate(faces)
            ),
            key=lambda pair: (-pair[0], pair[1], pair[2]),
        )
        free, left = set(range(len(alive))), set(range(len(faces)))
        for share, i, j in pairs:
            if share >= config.min_overlap and i in free and j in left:
                alive[i].add(frame, faces[j])
                free.discard(i)
                left.discard(j)
        near = [(i, j) for i in free for j in left if _reaches(alive[i], frame, faces[j].box)]
        for i, j in near:
            if sum(a == i for a, _ in near) == 1 and sum(b == j for _, b in near) == 1:
                alive[i].add(frame, faces[j])
                left.discard(j)
        for j in sorted(left):
            tracks.append(Track())
            tracks[-1].add(frame, faces[j])
    return tracks


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return float(shared / (_area(a) + _area(b) - shared))


def _reaches(track: Track, frame: int, box: Box) -> bool:
    """Whether a track's face may have moved to a box: of like size and less than a face away."""
    for before in (track.faces[-1].box, track.predicted(frame)):
        sides = np.array([max(b[2:] - b[:2]) for b in (before, box)])
        away = np.linalg.norm(_middle(before) - _middle(box))
        if sides.max() < _LIKE_SIZE * sides.min() and away < sides.mean():
            return True
    return False


def _middle(box: Box) -> NDArray[np.float64]:
    middle: NDArray[np.float64] = (box[:2] + box[2:]) / 2
    return middle


def _area(box: Box) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _box(detection: Any, width: int, height: int) -> Box:  # noqa: ANN401 - a protobuf message
    part = detection.location_data.relative_bounding_box
    x, y = part.xmin * width, part.ymin * height
    return np.array([x, y, x + part.width * width, y + part.height * height])
