"""What networks say of a clip: who is seen, what hides the face, whether the mouth goes with the
sound, and how well the voice was recorded.

The hand model comes with MediaPipe. The others take part where their weights are
(`dawn weights list`); the recipe records which did. They are loaded once a process and place.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.curation.extraction import Clip
from dawn.device import CPU, Placement
from dawn.features.faces.hands import covered_share
from dawn.features.faces.identity import (
    MobileFaceNet,
    align_112,
    clip_embedding,
    five_points,
    same_face,
)
from dawn.features.rates import FPS, SAMPLES_PER_FRAME
from dawn.features.sound.speech import SPEECH, speech_quality
from dawn.features.video.captions import TextDetector, text_share
from dawn.features.video.decode import read_frames
from dawn.features.video.naturalness import Brisque
from dawn.features.video.probe import probe
from dawn.weights import require

_LOOK_EVERY = 5
"""Of the kept crops: a look each second, since one costs as much as four frames of the mesh."""
_TEXT_EVERY, _TEXT_LOOKS = 10, 4
"""Text stays for seconds: a kept crop of every ten, but at least so many a clip."""
_QUALITY_LOOKS = 8
_RATED_FRAMES, _RATED_LEAST = 750, 224
"""Of a clip that DOVER looks at, 30 s, and the pixels that its fragments take."""

_LEAST_FRAMES = 45
"""Both agreement networks shift the sound by up to 15 frames either way."""


def measure(
    clip: Clip, networks: Iterable[str], *, hands: bool = False, place: Placement = CPU
) -> dict[str, Any]:
    """Columns of `clips` that networks fill; the optional ones are named. LR-ASD also fills the
    clip's `speaking`. They run at `place`; MediaPipe's, DNSMOS and BRISQUE always on the CPU.
    """
    networks = set(networks)
    row: dict[str, Any] = {}
    if hands:
        looks = list(clip.kept)[::_LOOK_EVERY]
        row["hand"] = covered_share((clip.kept[t], clip.landmarks[t]) for t in looks)
    if "text" in networks:
        row["text"] = text_share(_text_detector(place), _spread(clip, _TEXT_LOOKS, _TEXT_EVERY))
    if "brisque" in networks:
        scores = [_brisque().score(look) for look in _spread(clip, _QUALITY_LOOKS)]
        seen = [score for score in scores if score is not None]
        row["brisque"] = float(np.median(seen)) if seen else None
    if "hyperiqa" in networks:
        shown = np.stack(_spread(clip, _QUALITY_LOOKS))
        row["hyperiqa"] = float(np.median(_hyperiqa(place).scores(shown)))
    if "dover" in networks:
        row["dover"] = _video_rating(clip, place)
    if "voice" in networks:
        voice = _speaker_encoder(place).embed(clip.samples)
        row["voice"] = None if voice is None else voice.tolist()
    if "identity" in networks:
        faces = _embeddings(clip, place)
        row["embedding"] = clip_embedding(faces).tolist()
        row["same_face"] = same_face(faces)
    if "lr_asd" in networks:
        row |= _lr_asd_agreement(clip, place)
    if "syncnet" in networks:
        row |= _syncnet_agreement(clip, place)
    if "dnsmos" in networks:
        row |= _speech_quality(clip)
    return row


def _video_rating(clip: Clip, place: Placement) -> float | None:
    """DOVER's, of at most 30 s; None for crops too small for its fragments."""
    frames = list(islice(_pictures(clip), _RATED_FRAMES))
    if min(frames[0].shape[:2]) < _RATED_LEAST:
        return None
    return float(_dover(place).rate(frames).overall)


def _speech_quality(clip: Clip) -> dict[str, Any]:
    """Nothing where nobody speaks: DNSMOS gives silence middling scores."""
    if not clip.measures["voiced"]:
        return {}
    quality = speech_quality(clip.samples)
    return {
        "speech_signal": quality.signal,
        "speech_background": quality.background,
        "speech_overall": quality.overall,
    }


def _embeddings(clip: Clip, place: Placement) -> NDArray[np.float32]:
    """Of up to eight crops in which the mesh found the face, (N, 128)."""
    seen = [t for t in clip.kept if clip.found[t]]
    chosen = seen[:: max(1, len(seen) // 8)][:8]
    points = five_points(clip.landmarks)
    faces = np.stack([align_112(clip.kept[t], points[t]) for t in chosen])
    return _mobilefacenet(place).embed(faces)


def _spread(clip: Clip, count: int, every: int | None = None) -> list[NDArray[np.uint8]]:
    """About that many kept crops over the clip's length, or more: one of `every` so many."""
    step = max(1, len(clip.kept) // count)
    return [clip.kept[t] for t in list(clip.kept)[:: min(step, every or step)]]


def _lr_asd_agreement(clip: Clip, place: Placement) -> dict[str, Any]:
    from dawn.features.sync.active_speaker import speaker_crops

    if clip.frames < _LEAST_FRAMES or not np.any(clip.samples):
        return {}
    crops = speaker_crops(_pictures(clip), clip.boxes[:, [0, 2, 1, 3]])
    margin = _lr_asd(place).asd_margin(crops, _int16(clip.samples))
    clip.speaking = margin.speaking
    # Its offset is positive when the sound comes too early; ours when it lags.
    return {
        "agreement": float(margin.margin),
        "agreement_by": "lr_asd",
        "agreement_offset": -int(margin.offset_frames) if margin.sure else None,
        **_speaking(clip),
    }


def _speaking(clip: Clip) -> dict[str, Any]:
    """The mean logit where speech is heard, of the clip and of each of its seconds.

    Pauses count for nothing: a speaker's mouth rests in them like a listener's.
    """
    if clip.speaking is None or clip.speech is None:
        return {}
    spoken = np.where(clip.speech >= SPEECH, clip.speaking, np.nan)
    seconds = [spoken[start : start + FPS] for start in range(0, len(spoken), FPS)]
    return {
        "speaking": _mean(spoken),
        "speaking_seconds": [_mean(second) for second in seconds],
    }


def _mean(values: NDArray[np.float32]) -> float | None:
    """Of the values that are numbers; None where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.round(samples * 32767).astype(np.int16)


def _syncnet_agreement(clip: Clip, place: Placement) -> dict[str, Any]:
    from dawn.features.sync.track_crop import track_crops

    if clip.frames < _LEAST_FRAMES or not np.any(clip.samples):
        return {}
    crops = track_crops(_pictures(clip), clip.boxes[:, [0, 2, 1, 3]])
    lse = _syncnet(place).lse(np.ascontiguousarray(crops[..., ::-1]), _int16(clip.samples))
    return {
        "agreement": float(lse.confidence),
        "agreement_by": "syncnet",
        "agreement_offset": -int(lse.offset_frames),
    }


def hubert_features(samples: NDArray[np.float32], place: Placement = CPU) -> NDArray[np.float32]:
    """Mono 16 kHz samples (T * 640,) to HuBERT features (T, 1024)."""
    return _hubert(place).features(samples, len(samples) // SAMPLES_PER_FRAME)


def _pictures(clip: Clip) -> Iterable[NDArray[np.uint8]]:
    return (picture for _, picture in read_frames(clip.video, probe(clip.video)))


@lru_cache(maxsize=1)
def _mobilefacenet(place: Placement) -> MobileFaceNet:
    return MobileFaceNet(require("mobilefacenet"), place)


@lru_cache(maxsize=1)
def _text_detector(place: Placement) -> TextDetector:
    return TextDetector(require("ppocr_det"), place.device)


@lru_cache(maxsize=1)
def _brisque() -> Brisque:
    return Brisque(require("brisque"))


@lru_cache(maxsize=1)
def _hyperiqa(place: Placement) -> Any:  # noqa: ANN401 - imported late, torch is heavy
    from dawn.features.video.quality_networks import PictureQuality

    return PictureQuality(require("hyperiqa_koniq"), place)


@lru_cache(maxsize=1)
def _dover(place: Placement) -> Any:  # noqa: ANN401 - imported late, torch is heavy
    from dawn.features.video.quality_networks import Dover

    return Dover(require("dover"), place)


@lru_cache(maxsize=1)
def _speaker_encoder(place: Placement) -> Any:  # noqa: ANN401 - imported late, torch is heavy
    from dawn.features.sound.speaker import SpeakerEncoder

    return SpeakerEncoder(require("ge2e_speaker"), place)


@lru_cache(maxsize=1)
def _lr_asd(place: Placement) -> Any:  # noqa: ANN401 - imported late, torch is heavy
    from dawn.features.sync.active_speaker import ActiveSpeaker

    return ActiveSpeaker(require("lr_asd"), place)


@lru_cache(maxsize=1)
def _syncnet(place: Placement) -> Any:  # noqa: ANN401 - imported late, torch is heavy
    from dawn.features.sync.syncnet import SyncNet

    return SyncNet(require("syncnet_v2"), place)


@lru_cache(maxsize=1)
def _hubert(place: Placement) -> Any:  # noqa: ANN401 - imported late, transformers is heavy
    from dawn.features.sound.hubert import Hubert

    return Hubert(require("hubert_large"), place)
