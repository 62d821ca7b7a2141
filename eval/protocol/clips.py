"""A clip as metrics see it: pictures, sound and face of one video under one protocol.

Everything is read late and at most once: metrics that ask for the same thing share it. Pictures
of short clips are kept (`FRAME_BUDGET`); those of long ones are decoded again for each pass, so
that memory does not grow with length.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.device import CPU, Placement
from dawn.features.faces.crop import cut_square
from dawn.features.faces.eyes import eye_ratios, mouth_opening
from dawn.features.faces.landmarks import LANDMARKS, following
from dawn.features.faces.picture import face_square, find_faces, read_picture
from dawn.features.faces.pose import head_pose
from dawn.features.sound.read import read_sound
from dawn.features.video.decode import read_frames
from dawn.features.video.probe import VideoInfo, probe
from eval.protocol.card import ProtocolCard
from manifests.errors import InputError
from manifests.reasons import Quarantine, UnreadableVideoError

FRAME_BUDGET = 96 * 2**20
"""Bytes of pictures that a clip may keep (about 490 frames at 256 px)."""

CHUNK = 32
"""Frames that are handed out at once."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings:
    """What every measurement of a run has in common."""

    card: ProtocolCard
    weights: Mapping[str, Path] = field(default_factory=dict)
    """Registry name -> file, of the weights that may be used."""
    place: Placement = CPU
    """Where networks run. MediaPipe's and all that is no network run on the CPU."""


class Clip:
    """One video. `frames` is how many of its pictures (at 25 fps) are looked at; `Pair` lowers it
    to what both sides have. All pictures are RGB uint8 (size, size, 3) by the protocol.
    """

    def __init__(
        self, video: Path, settings: ClipSettings, *, sound: Path | None = None, still: bool = False
    ) -> None:
        """`sound`: take the sound of that file instead. `still`: frame 0 throughout.

        Raises UnreadableVideoError.
        """
        self.video, self.settings, self.still = video, settings, still
        self.info: VideoInfo = probe(video)
        self.sound_path = sound or video
        self._sound_info = probe(sound) if sound is not None else self.info
        limit = settings.card.max_frames or self.info.frames
        self.frames = min(self.info.frames, limit)
        self._kept: NDArray[np.uint8] | None = None
        self._memo: dict[str, Any] = {}

    def once(self, key: str, compute: Callable[[], T]) -> T:
        """`compute()`, called once a clip and key. For what several metrics need."""
        if key not in self._memo:
            self._memo[key] = compute()
        return cast("T", self._memo[key])

    def chunks(self, length: int = CHUNK) -> Iterator[NDArray[np.uint8]]:
        """All frames from 0 on, in arrays (at most `length`, size, size, 3)."""
        size = self.settings.card.size
        if self._kept is None and self.frames * size * size * 3 <= FRAME_BUDGET:
            self._kept = np.stack(list(self._decoded()))
        if self._kept is not None:
            for begin in range(0, self.frames, length):
                yield self._kept[begin : begin + length]
            return
        chunk: list[NDArray[np.uint8]] = []
        for picture in self._decoded():
            chunk.append(picture)
            if len(chunk) == length:
                yield np.stack(chunk)
                chunk = []
        if chunk:
            yield np.stack(chunk)

    def sampled(self, length: int = CHUNK) -> Iterator[NDArray[np.uint8]]:
        """The frames that per-frame networks look at: from `skip_first` on, each `stride`-th."""
        chosen = self.sampled_indices
        begin = 0
        waiting: list[NDArray[np.uint8]] = []
        for chunk in self.chunks():
            inside = chosen[(chosen >= begin) & (chosen < begin + len(chunk))] - begin
            waiting.extend(chunk[inside])
            begin += len(chunk)
            while len(waiting) >= length:
                yield np.stack(waiting[:length])
                waiting = waiting[length:]
        if waiting:
            yield np.stack(waiting)

    @property
    def sampled_indices(self) -> NDArray[np.int64]:
        """Numbers of the frames that `sampled` gives."""
        card = self.settings.card
        return np.arange(card.skip_first, self.frames, card.stride, dtype=np.int64)

    @cached_property
    def first_picture(self) -> NDArray[np.uint8]:
        """Frame 0, which is the source image where a model was driven by this clip."""
        return next(self.chunks())[0]

    @cached_property
    def landmarks(self) -> NDArray[np.float32]:
        """(frames, 478, 3) mesh points in the protocol's pixels; NaN where no face was found."""
        points = np.full((self.frames, LANDMARKS, 3), np.nan, np.float32)
        pictures = (picture for chunk in self.chunks() for picture in chunk)
        with following() as mesh:
            for index, picture in enumerate(pictures):
                found = mesh.detect(picture)
                if found is not None:
                    points[index] = found
        return points

    @property
    def face_found(self) -> NDArray[np.bool_]:
        """(frames,) whether the mesh found a face."""
        return np.isfinite(self.landmarks[:, 0, 0])

    @cached_property
    def pose(self) -> NDArray[np.float32]:
        """(frames, 7): yaw, pitch, roll in degrees, scale, tx, ty, tz (see faces/pose.py)."""
        return head_pose(self.landmarks)[0]

    @cached_property
    def eyes(self) -> NDArray[np.float32]:
        """(frames, 2) openness of the left and right eye; NaN without a face."""
        return eye_ratios(self.landmarks)

    @cached_property
    def mouth(self) -> NDArray[np.float32]:
        """(frames,) opening of the inner lips over the distance of the outer eye corners."""
        return mouth_opening(self.landmarks)

    @property
    def has_sound(self) -> bool:
        """Whether there is a sound track."""
        return self._sound_info.sample_rate is not None

    @cached_property
    def sound(self) -> NDArray[np.float32]:
        """(frames * 640,) mono samples at 16 kHz in [-1, 1]; zeros past its end, and where there
        is none: ask `has_sound` first.
        """
        return read_sound(self.sound_path, self._sound_info, 0, self.frames)

    def _decoded(self) -> Iterator[NDArray[np.uint8]]:
        """Exactly `frames` pictures: a hole in the timestamps shows the picture before it."""
        size = self.settings.card.size
        index = 0
        picture: NDArray[np.uint8] | None = None
        stop = 1 if self.still else self.frames
        for at, frame in read_frames(self.video, self.info, 0, stop):
            while picture is not None and index < at:
                yield picture
                index += 1
            picture = square(frame, size)
            if index == at:
                yield picture
                index += 1
        if picture is None:
            raise UnreadableVideoError(Quarantine.NO_PICTURE, "no frame can be decoded")
        for _ in range(index, self.frames):
            yield picture


class NoSourceError(Exception):
    """The picture that a video was made from is not to be had; the message says why."""


@dataclass(slots=True)
class Pair:
    """A generated clip and the real one it is held against, cut to the frames both have."""

    clip_id: str
    generated: Clip
    reference: Clip
    image: Path | None = None
    """Picture that the video was made from, where that is not the real clip's frame 0."""
    generation: Mapping[str, Any] | None = None
    """The row of `generations`, where the video is of a run."""

    def __post_init__(self) -> None:
        shared = min(self.generated.frames, self.reference.frames)
        self.generated.frames = self.reference.frames = shared

    @property
    def frames(self) -> int:
        """Frames that both sides have."""
        return self.generated.frames

    @property
    def source_image(self) -> NDArray[np.uint8]:
        """The face that was animated, (size, size, 3), cropped from its picture as generation
        does. Raises NoSourceError, and UnreadableVideoError where it is the real clip's.
        """
        if self.image is None:
            return self.reference.first_picture
        if not self.image.is_absolute():
            raise NoSourceError(
                f"{self.image}: the run does not say in which folder; make it again"
            )
        try:
            picture = read_picture(self.image)
        except InputError as error:
            raise NoSourceError(str(error)) from error
        boxes, number = find_faces(picture), (self.generation or {}).get("face") or 1
        if len(boxes) < number:
            raise NoSourceError(f"{self.image}: no face was found, or none of number {number}")
        square = face_square(picture, boxes[number - 1])
        return cut_square(picture, square, self.generated.settings.card.size)


def square(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle square of a picture (H, W, 3), scaled to `size`: by area average when it
    shrinks, bicubic when it grows, untouched when it fits.
    """
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = picture[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(middle)
    how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(middle, (size, size), interpolation=how), dtype=np.uint8)
