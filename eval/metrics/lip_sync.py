"""LSE-C, LSE-D and the offset: lip sync by SyncNet v2 (see dawn.features.sync.syncnet)."""

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.device import CPU, Placement
from dawn.features.rates import SAMPLES_PER_FRAME
from dawn.features.sync.s3fd import SIDE, S3fd, longest_track
from dawn.features.sync.track_crop import SIZE, crops_of, track_squares
from eval.metrics.interface import Definition, Excluded, Measure, Reason
from eval.metrics.presence import Number, of_one, sound_fault
from eval.metrics.steps import PICTURES, SOUND, Step
from eval.protocol.clips import Clip

if TYPE_CHECKING:  # torch takes a second to import
    from dawn.features.sync.syncnet import Lse, SyncNet

Variant = Literal["tracked", "wholeframe"]

MIN_FRAMES = 25
"""Frames that must be followed at least (syncnet-python: 50, joonson/syncnet_python: 100)."""

_WEIGHTS: dict[Variant, tuple[str, ...]] = {
    "tracked": ("syncnet_v2", "s3fd"),
    "wholeframe": ("syncnet_v2",),
}

_STEPS: dict[Variant, Step] = {
    variant: Step(
        name=f"syncnet, {variant}",
        libraries=("python_speech_features", "syncnet-python", "torch"),
        after=(PICTURES, SOUND),
    )
    for variant in _WEIGHTS
}


@functools.lru_cache(maxsize=1)
def syncnet(path: Path, place: Placement = CPU) -> "SyncNet":
    """The network from a file, once a process. Raises InputError."""
    from dawn.features.sync.syncnet import SyncNet

    return SyncNet(path, place)


@functools.lru_cache(maxsize=1)
def s3fd(path: Path, place: Placement = CPU) -> S3fd:
    """The detector from a file, once a process. Raises InputError."""
    return S3fd(path, place)


def lse(clip: Clip, variant: Variant) -> "Lse | Excluded":
    """SyncNet's verdict, computed once a clip and variant. The weights must be there."""
    return clip.once(f"lse {variant}", lambda: _lse(clip, variant))


def _lse(clip: Clip, variant: Variant) -> "Lse | Excluded":
    fault = sound_fault(clip)
    if fault is not None:
        return Excluded(fault)
    if clip.frames < MIN_FRAMES:
        return Excluded(Reason.TOO_SHORT)
    begin, crops = 0, whole_crops(clip)
    frames = clip.frames
    if variant == "tracked":
        detector = s3fd(clip.settings.weights["s3fd"], clip.settings.place)
        found = [boxes for chunk in clip.chunks() for boxes in detector.detect_all(chunk)]
        track = longest_track(found, MIN_FRAMES - 1)
        if track is None:
            return Excluded(Reason.NO_TRACK)
        begin, boxes = track
        frames = len(boxes)
        crops = tracked_crops(clip, begin, boxes * (clip.settings.card.size / SIDE))
    sound = clip.sound[begin * SAMPLES_PER_FRAME : (begin + frames) * SAMPLES_PER_FRAME]
    net = syncnet(clip.settings.weights["syncnet_v2"], clip.settings.place)
    return streamed(net, crops, frames, to_int16(sound))


def whole_crops(clip: Clip) -> Iterator[NDArray[np.uint8]]:
    """The whole pictures as SyncNet takes them, (n, 224, 224, 3) BGR, in parts."""
    for chunk in clip.chunks():
        yield np.stack([_resized(picture) for picture in chunk])


def tracked_crops(
    clip: Clip, begin: int, boxes: NDArray[np.float64]
) -> Iterator[NDArray[np.uint8]]:
    """Crops along a track from frame `begin` on, boxes (T, 4) in pixels of the clip's pictures,
    (n, 224, 224, 3) BGR, in parts.
    """
    squares, at = track_squares(boxes.astype(np.float32)), 0
    for chunk in clip.chunks():
        first, last = max(begin - at, 0), min(begin + len(squares) - at, len(chunk))
        if first < last:
            places = squares[at + first - begin : at + last - begin]
            yield crops_of(chunk[first:last], places)[..., ::-1]
        at += len(chunk)


def streamed(
    net: "SyncNet", parts: Iterable[NDArray[np.uint8]], frames: int, wav: NDArray[np.int16]
) -> "Lse":
    """The scores of crops that come in parts: those of `SyncNet.lse` on all at once, in memory
    that does not grow with the pictures.
    """
    from dawn.features.sync.syncnet import count_windows, lse_of, shift_distances
    from dawn.features.sync.towers import FRAMES

    windows = count_windows(frames, wav)
    faces: list[NDArray[np.float32]] = []
    kept = np.empty((0, SIZE, SIZE, 3), np.uint8)
    left = windows
    for part in parts:
        run = np.concatenate([kept, part])[: left + FRAMES - 1]
        if len(run) >= FRAMES and left > 0:
            faces.append(net.faces(np.ascontiguousarray(run)))
            left -= len(faces[-1])
            run = run[-(FRAMES - 1) :]
        kept = run
    return lse_of(shift_distances(np.concatenate(faces), net.sound(wav, windows)))


def to_int16(sound: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples in [-1, 1] as 16-bit sound."""
    return np.round(sound * 32767).astype(np.int16)


def _resized(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (SIZE, SIZE))[..., ::-1], dtype=np.uint8)


def _of(pick: "Callable[[Lse], float]", variant: Variant, clip: Clip) -> Number | Excluded:
    result = lse(clip, variant)
    return result if isinstance(result, Excluded) else (pick(result), 1)


_VARIANTS: dict[Variant, str] = {
    "tracked": "Crops follow the face that S3FD finds (pictures brought to 512 px, scale 0.25, "
    "confidence 0.9, faces over 100 px there), smoothed, with 0.4 margin and chin room; the "
    f"longest track of at least {MIN_FRAMES} frames counts. The SyncNet pipeline asks for 50 or "
    "100 frames, averages or takes the best over tracks, and re-encodes frames as JPEG and XVID "
    "on the way.",
    "wholeframe": "The whole picture is brought to 224 px, as Wav2Lip's script for LRS does: right "
    "only where videos are cut as SyncNet was trained.",
}
_CODEC = (
    "Another codec alone moves it by 0.4 to 1.2 (THEval). SyncNet-trained systems beat real video."
)


def lip_sync(kind: Literal["lse_c", "lse_d", "av_offset", "lse_zero"], variant: Variant) -> Measure:
    """One of SyncNet's numbers on one kind of crop."""
    at = "d(k) = mean over windows t of |picture(t) - sound(t + k)|, k from -15 to 15 frames"
    title, direction, unit, formula, pick = {
        "lse_c": ("LSE-C", "higher", "", f"median_k d(k) - min_k d(k); {at}", _confidence),
        "lse_d": ("LSE-D", "lower", "", f"min_k d(k); {at}", _distance),
        "av_offset": (
            "|AV offset|", "lower", "frames", f"|argmin_k d(k)|; {at}. The sign is not kept; "
            "`lip_audio_lag` has one", _offset,
        ),
        "lse_zero": (
            "LSE-D at offset 0", "lower", "", f"d(0); {at}: what LSE-D hides of a constant offset",
            _at_zero,
        ),
    }[kind]  # fmt: skip
    return Measure(
        definition=Definition(
            name=f"{kind}_{variant}",
            family="Lip sync",
            headline=variant == "tracked" and kind in ("lse_c", "lse_d"),
            title=f"{title} ({'tracked' if variant == 'tracked' else 'whole frame'})",
            direction="higher" if direction == "higher" else "lower",
            unit=unit,
            range="0 to 15" if kind == "av_offset" else "0 and up",
            formula=formula,
            source=("ours, on " if kind == "lse_zero" else "") + "Chung and Zisserman 2016; "
            "joonson/syncnet_python, with the network of syncnet-python 0.2.3",
            status="own" if kind == "lse_zero" else "paper",
            divergences=f"{_VARIANTS[variant]} {_CODEC}",
        ),
        of=of_one(lambda clip: _of(pick, variant, clip), against_real=False),
        steps=(_STEPS[variant],),
        weights=_WEIGHTS[variant],
        paired=False,
    )


def _confidence(result: "Lse") -> float:
    return result.confidence


def _distance(result: "Lse") -> float:
    return result.distance


def _offset(result: "Lse") -> float:
    return float(abs(result.offset_frames))


def _at_zero(result: "Lse") -> float:
    return result.distance_at_zero


PLACE = 50
METRICS = tuple(
    lip_sync(kind, variant)
    for variant in ("tracked", "wholeframe")
    for kind in ("lse_c", "lse_d", "av_offset", "lse_zero")
)
