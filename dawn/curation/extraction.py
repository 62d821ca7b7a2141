"""One span of a video to clips: shots, faces, tracks, then crops, landmarks and measures.

The span is read twice: small and in full colour only where a face is. The first pass finds
cuts and faces; a track's square is known only at its end, so the second pass cuts it out,
follows the face with the mesh and encodes, streaming. No pass holds the span's pictures.
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawn.curation.clip import ClipFollower, RawClip, face_boxes
from dawn.features.faces.blinks import BlinkConfig, find_blinks
from dawn.features.faces.crop import CropConfig, Square, still_square
from dawn.features.faces.detection import Face, FaceConfig, FaceDetector, Track, link
from dawn.features.faces.eyes import eye_ratios, mouth_opening
from dawn.features.faces.landmarks import MEDIAPIPE
from dawn.features.faces.pose import head_pose
from dawn.features.movement import head_movement, head_rotation, longest_still, repeated_share
from dawn.features.quality import brightness, face_patch, sharpness
from dawn.features.rates import FPS, SAMPLES_PER_FRAME
from dawn.features.sound.read import read_sound
from dawn.features.sound.speech import speech_probability, speech_share
from dawn.features.video.decode import FrameMemory, read_pictures
from dawn.features.video.encode import ClipWriter, write_flac
from dawn.features.video.fingerprint import hash_frames, motion_curves, picture_hashes
from dawn.features.video.jumps import largest_jump
from dawn.features.video.probe import Limits, VideoInfo
from dawn.features.video.shots import ShotConfig, ShotDetector, shots

VERSION = 4
"""Raised when the same video and configuration would give other results."""

_CONTEXT = 25
"""Frames beyond a span's ends that the shot detector sees, so that spans join without a seam."""
_SMALL_SIDE = 192
"""Enough for both: detectors look at 128 or 192 pixels, the shot detector at less."""
_KEEP_EVERY = 5
_FRAME_MEMORY = 96 * 2**20
"""Bytes of decoded frames that spare the second pass the decoding: 25 s of 288 x 320 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractConfig:
    """Everything that decides what `clips`, `frames` and media hold."""

    limits: Limits = Limits()
    span_seconds: int = 60
    """A longer video is cut into spans of this length, which several workers share. A clip
    never crosses a span's end, so this is the longest clip too."""
    shots: ShotConfig = ShotConfig()
    faces: FaceConfig = FaceConfig()
    landmarks: str = MEDIAPIPE
    """The backend that finds landmarks; plug-ins add to `mediapipe` (docs/extending.md)."""
    crop: CropConfig = CropConfig()
    blinks: BlinkConfig = BlinkConfig()
    hands: bool = False
    """Whether hands before the face are looked for: 2 CPU seconds a minute of footage."""

    def __post_init__(self) -> None:
        if not 4 <= self.span_seconds <= 600:
            raise ValueError(f"span_seconds: {self.span_seconds} is not between 4 and 600")


@dataclass(slots=True)
class Clip:
    """One face over consecutive frames, with everything that is measured of it."""

    start: int
    track: int
    shot: int
    square: Square
    size: int
    video: Path
    sound: Path
    samples: NDArray[np.float32]
    found: NDArray[np.bool_]
    landmarks: NDArray[np.float32]
    pose: NDArray[np.float32]
    head: NDArray[np.float32]
    eyes: NDArray[np.float32]
    mouth: NDArray[np.float32]
    boxes: NDArray[np.float32]
    blinks: list[tuple[int, int]]
    speech: NDArray[np.float32] | None
    """How likely somebody is heard speaking in each frame, (T,); None without a sound track."""
    measures: dict[str, float | None]
    picture_hashes: list[int]
    mirror_hashes: list[int]
    motion_curves: NDArray[np.uint8]
    kept: dict[int, NDArray[np.uint8]]
    """Every fifth crop, RGB: for embeddings, never stored."""
    speaking: NDArray[np.float32] | None = None
    """How surely this face speaks what is heard, (T,): a logit; None without the network."""

    @property
    def frames(self) -> int:
        """Length of the clip."""
        return len(self.landmarks)


@dataclass(slots=True)
class SpanResult:
    """What one span gave."""

    clips: list[Clip]
    cuts: list[int]
    tracks_ignored: int
    frames_damaged: int
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(slots=True)
class _Looks:
    """What the first pass over a span saw."""

    frames: list[int] = field(default_factory=list)
    """Those that the source has."""
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Width and height of each frame's picture in the source."""
    cuts: list[int] = field(default_factory=list)
    faces: list[tuple[int, list[Face]]] = field(default_factory=list)
    """In upright source pixels."""
    damaged: int = 0


def spans(
    info: VideoInfo, ranges: list[tuple[int, int]], config: ExtractConfig
) -> list[tuple[int, int]]:
    """The [start, stop) frames that are worked on apart: the ranges, or the whole video, cut
    at multiples of the span length. They depend on the video and the configuration alone.
    """
    length = config.span_seconds * FPS
    result = []
    for begin, end in ranges or [(0, info.frames)]:
        stop = min(end, info.frames)
        edges = [begin, *range((begin // length + 1) * length, stop, length), stop]
        result += [(a, b) for a, b in pairwise(edges) if b > a]
    return result


def extract_span(
    path: Path, info: VideoInfo, start: int, stop: int, config: ExtractConfig, folder: Path
) -> SpanResult:
    """Work on frames [start, stop) of a video; clip files are written into `folder`.

    Raises UnreadableVideoError when the file turns out to be corrupt.
    """
    begin = time.perf_counter()
    memory = FrameMemory(_FRAME_MEMORY)
    looks = _analyse(path, info, start, stop, config, memory)
    tracks: list[tuple[int, Track, range]] = []
    ignored = 0
    for number, shot in enumerate(shots(looks.frames, looks.cuts)):
        inside = [(i, faces) for i, faces in looks.faces if shot[0] <= i <= shot[-1]]
        for track in link(inside, config.faces):
            span = _extent(track, shot, config.faces.detect_every)
            if (
                any(face.confirmed for face in track.faces)
                and len(span) >= config.faces.min_track_frames
            ):
                tracks.append((number, track, span))
            else:
                ignored += 1
    analysed = time.perf_counter()
    cuts = [cut for cut in looks.cuts if start <= cut < stop]
    result = SpanResult([], cuts, ignored, looks.damaged)
    followers = _follow(path, info, tracks, looks.sizes, config, folder, memory)
    del memory
    raw = [(number, i, *pair) for i, (number, f) in enumerate(followers) for pair in f.clips]
    sound = read_sound(path, info, start, stop) if raw else np.zeros(0, np.float32)
    # Of the whole span: the detector hears better what it has heard the beginning of.
    speech = speech_probability(sound) if info.sample_rate is not None else None
    for number, i, clip, writer in raw:
        first = (clip.start - start) * SAMPLES_PER_FRAME
        samples = sound[first : first + clip.frames * SAMPLES_PER_FRAME]
        _finish(clip, writer, samples)
        if clip.frames < config.faces.min_track_frames:
            result.tracks_ignored += 1
            clip.video.unlink()
            continue
        others = [(t, span) for j, (_, t, span) in enumerate(tracks) if j != i and t.is_face]
        size = looks.sizes[clip.start]
        heard = None if speech is None else speech[clip.start - start :][: clip.frames]
        result.clips.append(_describe(clip, number, i, samples, heard, size, others, config))
    result.clips.sort(key=lambda clip: (clip.start, clip.track))
    for _, follower in followers:
        for step, seconds in follower.seconds.items():
            result.seconds[step] += seconds
    result.seconds["analyse"] = analysed - begin
    result.seconds["total"] = time.perf_counter() - begin
    return result


def _analyse(
    path: Path,
    info: VideoInfo,
    start: int,
    stop: int,
    config: ExtractConfig,
    memory: FrameMemory,
) -> _Looks:
    """First pass: the frames there are, cuts and detections."""
    detector: FaceDetector | None = None  # costly to make; a span in a hole needs none
    shot_detector = ShotDetector(config.shots)
    looks = _Looks()
    damaged: list[float] = []
    first, last = max(0, start - _CONTEXT), stop + _CONTEXT
    before: list[Face] = []
    shots_before = 0
    pictures = read_pictures(
        path, info, first, last, max_side=_SMALL_SIDE, memory=memory, damaged=damaged
    )
    for picture in pictures:
        index = picture.number
        shot_detector.add(index, picture.image)
        if not start <= index < stop:
            continue
        looks.frames.append(index)
        looks.sizes[index] = picture.size
        if index % config.faces.detect_every == 0:
            detector = detector or FaceDetector(config.faces.min_confidence)
            if len(shot_detector.cuts) > shots_before:
                before, shots_before = [], len(shot_detector.cuts)
            before = detector.find(picture.image, picture.size[0], picture.whole, before)
            looks.faces.append((index, before))
    looks.cuts = shot_detector.cuts
    looks.frames = [i for i in looks.frames if i not in shot_detector.unclear]
    looks.damaged = sum(start / FPS <= at < stop / FPS for at in damaged)
    return looks


def _extent(track: Track, shot: list[int], every: int) -> range:
    """Frames of a track: from just after the last look without it to just before the next."""
    begin = max(shot[0], track.frames[0] - every + 1)
    end = min(shot[-1], track.frames[-1] + every - 1)
    return range(begin, end + 1)


def _follow(
    path: Path,
    info: VideoInfo,
    tracks: list[tuple[int, Track, range]],
    sizes: dict[int, tuple[int, int]],
    config: ExtractConfig,
    folder: Path,
    memory: FrameMemory,
) -> list[tuple[int, ClipFollower]]:
    """Second pass: every track's clips, encoded but without sound."""
    if not tracks:
        return []
    followers = []
    for i, (number, track, span) in enumerate(tracks):
        boxes = track.boxes_at(np.array(span))
        square = still_square(boxes, *sizes[span.start], config.crop)
        gap = config.faces.max_gap_frames
        followers.append(
            (
                number,
                ClipFollower(
                    square, config.crop, folder, f"{i}", gap, _KEEP_EVERY, config.landmarks
                ),
            )
        )
    begin = min(span.start for _, _, span in tracks)
    end = max(span.stop for _, _, span in tracks)
    for index, picture in (
        (p.number, p.image) for p in read_pictures(path, info, begin, end, memory=memory)
    ):
        for (_, _, span), (_, follower) in zip(tracks, followers, strict=True):
            if index in span:
                follower.add(index, picture)
            if index == span.stop - 1:
                follower.close()
    for _, follower in followers:
        follower.close()
    return followers


def _finish(clip: RawClip, writer: ClipWriter, samples: NDArray[np.float32]) -> None:
    with writer:
        writer.add_sound(samples)
    write_flac(clip.video.with_suffix(".flac"), samples)


def _describe(
    raw: RawClip,
    shot: int,
    track: int,
    samples: NDArray[np.float32],
    speech: NDArray[np.float32] | None,
    size: tuple[int, int],
    others: list[tuple[Track, range]],
    config: ExtractConfig,
) -> Clip:
    landmarks, found = raw.filled()
    pose, head = head_pose(landmarks)
    eyes, mouth, boxes = eye_ratios(landmarks), mouth_opening(landmarks), face_boxes(landmarks)
    changes = np.asarray(raw.changes, np.float32)
    hashes = [picture_hashes(raw.kept[t], boxes[t]) for t in hash_frames(raw.frames)]
    to_source = raw.square.side / config.crop.size
    measures: dict[str, float | None] = {
        "landmarks_found": float(found.mean()),
        "face_px": float((boxes[:, 1] - boxes[:, 0]).mean()) * to_source,
        "other_faces": _other_faces(raw, others),
        "cut_off": _cut_off(boxes * to_source, raw.square, size),
        "yaw_p95": float(np.percentile(np.abs(pose[:, 0]), 95)),
        "pitch_p95": float(np.percentile(np.abs(pose[:, 1]), 95)),
        "voiced": None if speech is None else speech_share(speech),
        "still_seconds": longest_still(changes),
        "repeated": repeated_share(changes),
        "jump": largest_jump(raw.greys),
        "mouth_moves": float(mouth.std()),
        "head_movement": head_movement(boxes),
        "head_rotation": head_rotation(pose),
        **_light(raw.kept, boxes),
    }
    return Clip(
        start=raw.start, track=track, shot=shot, square=raw.square, size=config.crop.size,
        video=raw.video, sound=raw.video.with_suffix(".flac"), samples=samples, found=found,
        landmarks=landmarks, pose=pose, head=head, eyes=eyes, mouth=mouth, boxes=boxes,
        blinks=find_blinks(eyes, config.blinks), speech=speech, measures=measures,
        picture_hashes=[plain for plain, _ in hashes],
        mirror_hashes=[mirror for _, mirror in hashes],
        motion_curves=motion_curves(mouth, pose, eyes), kept=raw.kept,
    )  # fmt: skip


def _light(kept: dict[int, NDArray[np.uint8]], boxes: NDArray[np.float32]) -> dict[str, float]:
    """Median sharpness and brightness of the face over the kept frames; 0 where none is seen."""
    patches = [face_patch(frame, tuple(boxes[t])) for t, frame in kept.items()]
    seen = [patch for patch in patches if patch is not None]
    return {
        "sharpness": float(np.median([sharpness(patch) for patch in seen])) if seen else 0.0,
        "brightness": float(np.median([brightness(patch) for patch in seen])) if seen else 0.0,
    }


def _other_faces(raw: RawClip, others: list[tuple[Track, range]]) -> float:
    """Share of the clip's frames in which another track's face has its middle in the crop."""
    frames = np.arange(raw.start, raw.start + raw.frames)
    crowded = np.zeros(raw.frames, bool)
    square = raw.square
    for track, span in others:
        boxes = track.boxes_at(frames)
        x, y = (
            (boxes[:, 0] + boxes[:, 2]) / 2 - square.x,
            (boxes[:, 1] + boxes[:, 3]) / 2 - square.y,
        )
        inside = (x >= 0) & (x < square.side) & (y >= 0) & (y < square.side)
        crowded |= inside & (frames >= span.start) & (frames < span.stop)
    return float(crowded.mean())


def _cut_off(boxes: NDArray[np.float32], square: Square, size: tuple[int, int]) -> float:
    """Share of frames in which over 2 % of the face's side lies outside the source picture."""
    width, height = size
    slack = 0.02 * (boxes[:, 1] - boxes[:, 0])
    outside = (
        (boxes[:, 0] + square.x < -slack)
        | (boxes[:, 1] + square.x > width + slack)
        | (boxes[:, 2] + square.y < -slack)
        | (boxes[:, 3] + square.y > height + slack)
    )
    return float(outside.mean())
