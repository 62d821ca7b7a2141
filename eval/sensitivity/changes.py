"""The small changes: what happens to a video between two people who measure the same system.

All but the codec's are written without loss, so that nothing else is changed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from dawn.features.video.decode import read_frames
from eval.protocol.clips import Clip
from manifests.reasons import Quarantine, UnreadableVideoError

Pictures = NDArray[np.uint8]
OfPicture = Callable[[Pictures, int], Pictures]
"""A picture (H, W, 3) and the protocol's size, to the changed picture."""

_X264 = {"preset": "medium", "threads": "1"}
_BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One small change."""

    title: str
    picture: OfPicture | None = None
    crf: int | None = None
    """Encoded as H.264 with this quality; None: without loss."""
    rate: int = FPS
    skip: int = 0
    """Frames that are left out at the start, with their sound."""
    shift: int = 0
    """Samples by which the sound comes later; negative: earlier."""


def crop(share: float) -> OfPicture:
    """That share of each side less, half of it at either end; negative: the edges go on."""

    def apply(picture: Pictures, _: int) -> Pictures:
        high, wide = (round(abs(share) * side / 2) for side in picture.shape[:2])
        if share < 0:
            edges = (high, high, wide, wide)
            return np.asarray(cv2.copyMakeBorder(picture, *edges, cv2.BORDER_REPLICATE), np.uint8)
        return picture[high : picture.shape[0] - high, wide : picture.shape[1] - wide]

    return apply


def resize(kernel: int) -> OfPicture:
    """The middle square at the protocol's size by another kernel; as it is where it fits."""

    def apply(picture: Pictures, size: int) -> Pictures:
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        middle = np.ascontiguousarray(picture[top : top + side, left : left + side])
        if side == size:
            return middle
        return np.asarray(cv2.resize(middle, (size, size), interpolation=kernel), np.uint8)

    return apply


def narrow(picture: Pictures, _: int) -> Pictures:
    """Levels 0 to 255 as 16 to 235: a limited range that is shown as a full one."""
    return np.asarray((picture * (219 / 255) + 16).round(), np.uint8)


CHANGES: Mapping[str, Change] = {
    "h264_crf18": Change(title="H.264 crf 18", crf=18),
    "h264_crf23": Change(title="H.264 crf 23", crf=23),
    "h264_crf28": Change(title="H.264 crf 28", crf=28),
    "crop_3": Change(title="crop 3 % tighter", picture=crop(0.03)),
    "crop_5": Change(title="crop 5 % tighter", picture=crop(0.05)),
    "pad_3": Change(title="crop 3 % wider", picture=crop(-0.03)),
    "pad_5": Change(title="crop 5 % wider", picture=crop(-0.05)),
    "fps_24": Change(title="24 fps", rate=24),
    "fps_25": Change(title="25 fps", rate=25),
    "fps_30": Change(title="30 fps", rate=30),
    "first_frame": Change(title="first frame skipped", skip=1),
    "colour_range": Change(title="limited colour range", picture=narrow),
    "bilinear": Change(title="bilinear resize", picture=resize(cv2.INTER_LINEAR)),
    "lanczos": Change(title="Lanczos resize", picture=resize(cv2.INTER_LANCZOS4)),
    "sound_late": Change(title="sound 20 ms late", shift=SAMPLE_RATE // 50),
    "sound_early": Change(title="sound 20 ms early", shift=-SAMPLE_RATE // 50),
}
"""By the name of their folder. `fps_25` changes nothing of a video of 25 fps: a control."""


def changed(clip: Clip, change: Change, path: Path) -> Clip:
    """The clip with a change, written to `path` (Matroska). Raises UnreadableVideoError."""
    size = clip.settings.card.size
    with av.open(str(path), "w", format="matroska") as container:
        codec = "ffv1" if change.crf is None else "libx264"
        options = {} if change.crf is None else _X264 | {"crf": str(change.crf)}
        video = container.add_stream(codec, rate=change.rate, options=options)
        video.pix_fmt = "bgr0" if change.crf is None else "yuv420p"
        sound = None
        if clip.has_sound:
            sound = container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="mono")
        for number, picture in enumerate(_at_rate(_pictures(clip), change)):
            made = picture if change.picture is None else change.picture(picture, size)
            if change.crf is not None:
                made = made[: made.shape[0] // 2 * 2, : made.shape[1] // 2 * 2]
            if number == 0:
                video.height, video.width = made.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(made), format="rgb24")
            frame = frame.reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, change.rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            samples = shifted(clip.sound[change.skip * SAMPLES_PER_FRAME :], change.shift)
            for begin in range(0, len(samples), _BLOCK):
                part = np.ascontiguousarray(samples[None, begin : begin + _BLOCK])
                block = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
                block.sample_rate, block.pts = SAMPLE_RATE, begin
                block.time_base = Fraction(1, SAMPLE_RATE)
                container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return Clip(path, clip.settings)


def shifted(samples: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Later by so many samples (negative: earlier); silence stands for the rest."""
    moved = np.zeros_like(samples)
    if by >= 0:
        moved[by:] = samples[: len(samples) - by]
    else:
        moved[:by] = samples[-by:]
    return moved


def _pictures(clip: Clip) -> Iterator[Pictures]:
    """All frames of a clip in the file's own size; a hole shows the picture before it."""
    index, picture = 0, None
    for at, found in read_frames(clip.video, clip.info, 0, 1 if clip.still else clip.frames):
        while picture is not None and index < at:
            yield picture
            index += 1
        picture = found
        if index == at:
            yield picture
            index += 1
    if picture is None:
        raise UnreadableVideoError(Quarantine.NO_PICTURE, "no frame can be decoded")
    for _ in range(index, clip.frames):
        yield picture


def _at_rate(pictures: Iterator[Pictures], change: Change) -> Iterator[Pictures]:
    """The frames shown nearest to each time of another rate."""
    made = 0
    for number, picture in enumerate(pictures):
        if number < change.skip:
            continue
        at = number - change.skip
        while (made * FPS * 2 + change.rate) // (2 * change.rate) <= at:
            yield picture
            made += 1
