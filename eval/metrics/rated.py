"""What networks that learned from people's ratings say of pictures and videos, and whether the
subject stays itself: hyperIQA, CLIP-IQA, DOVER, the three measures of picture quality of THEval,
and VBench's subject consistency. All are `unavailable` until their files are there.

hyperIQA and DINO are built here of torchvision's parts, CLIP of open_clip's, from the published
state dicts. DOVER, MUSIQ and TOPIQ, which no library that we keep carries, are read as ONNX, which
holds no code; the files have to be exported by whoever has the networks.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dawn.device import CPU, Placement
from eval.metrics.batches import BATCH, Pictures
from eval.metrics.interface import Definition, Excluded, Measure, Reason
from eval.metrics.presence import Number, face_fault, of_one
from eval.metrics.steps import LANDMARKS, PICTURES, SAMPLED, Step
from eval.metrics.theval import LIPS
from eval.protocol.clips import Clip

if TYPE_CHECKING:  # torch takes a second to import
    from dawn.features.video.quality_networks import Dover, PictureQuality
    from eval.metrics.rating_networks import ClipIqa, Dino, ExportedRating

Rate = Callable[[Pictures], NDArray[np.float32]]
_PADDING = 10
"""Pixels around the lips in a picture of 256, as THEval has them in its own."""
_DOVER_LEAST = 224
_MOST_FRAMES = 750
"""Of a clip that DOVER looks at: 30 s."""


@functools.lru_cache(maxsize=1)
def _hyperiqa(path: Path, place: Placement = CPU) -> "PictureQuality":
    from dawn.features.video.quality_networks import PictureQuality

    return PictureQuality(path, place)


@functools.lru_cache(maxsize=1)
def _dover(path: Path, place: Placement = CPU) -> "Dover":
    from dawn.features.video.quality_networks import Dover

    return Dover(path, place)


@functools.lru_cache(maxsize=1)
def _clip_iqa(path: Path, place: Placement = CPU) -> "ClipIqa":
    from eval.metrics.rating_networks import ClipIqa

    return ClipIqa(path, place)


@functools.lru_cache(maxsize=1)
def _dino(path: Path, place: Placement = CPU) -> "Dino":
    from eval.metrics.rating_networks import Dino

    return Dino(path, place)


@functools.lru_cache(maxsize=3)
def _exported(path: Path, place: Placement = CPU) -> "ExportedRating":
    from eval.metrics.rating_networks import ExportedRating

    return ExportedRating(path, place)


def frame_scores(pictures: Iterator[Pictures], rate: Rate) -> Number | Excluded:
    """Mean over pictures, and how many."""
    scores = [score for chunk in pictures for score in rate(chunk).tolist()]
    return (float(np.mean(scores)), len(scores)) if scores else Excluded(Reason.TOO_SHORT)


def _of_frames(name: str, load: Callable[[Path, Placement], Rate]) -> Callable[..., object]:
    def measure(clip: Clip) -> Number | Excluded:
        rate = load(clip.settings.weights[name], clip.settings.place)
        return frame_scores(clip.sampled(BATCH), rate)

    return measure


def dover(clip: Clip) -> Number | Excluded:
    """The overall rating of the frames from `skip_first` on."""
    if clip.settings.card.size < _DOVER_LEAST:
        return Excluded(Reason.TOO_SMALL)
    skip, frames = clip.settings.card.skip_first, []
    for chunk in clip.chunks():
        frames += list(chunk[skip:])
        skip = max(0, skip - len(chunk))
        if len(frames) >= _MOST_FRAMES:
            break
    if not frames:
        return Excluded(Reason.TOO_SHORT)
    net = _dover(clip.settings.weights["dover"], clip.settings.place)
    return net.rate(frames[:_MOST_FRAMES]).overall, min(len(frames), _MOST_FRAMES)


def subject_consistency(clip: Clip) -> Number | Excluded:
    """Mean over sampled frames but the first of half the similarity to the frame before and half
    that to the first; negative ones count as 0.
    """
    net = _dino(clip.settings.weights["dino_vitb16"], clip.settings.place)
    rows = [net.features(chunk) for chunk in clip.sampled(BATCH)]
    if sum(map(len, rows)) < 2:
        return Excluded(Reason.TOO_SHORT)
    features = np.concatenate(rows)
    before = np.maximum(0, (features[1:] * features[:-1]).sum(axis=1))
    first = np.maximum(0, features[1:] @ features[0])
    return float(((before + first) / 2).mean()), len(features) - 1


def mouths(clip: Clip) -> Iterator[Pictures]:
    """The mouth of each sampled frame with a face, (1, h, w, 3)."""
    padding, at = round(_PADDING * clip.settings.card.size / 256), 0
    for chunk in clip.sampled():
        for frame in chunk:
            lips = clip.landmarks[clip.sampled_indices[at], LIPS, :2]
            at += 1
            if not np.isfinite(lips).all():
                continue
            low = np.maximum(lips.min(axis=0).astype(int) - padding, 0)
            x1, y1 = lips.max(axis=0).astype(int) + padding
            mouth = frame[low[1] : y1, low[0] : x1]
            if min(mouth.shape[:2]) > 1:
                yield mouth[np.newaxis]


def mouth_quality(clip: Clip) -> Number | Excluded:
    """Of the frames with a face."""
    fault = face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    rate = _exported(clip.settings.weights["musiq_koniq"], clip.settings.place)
    return frame_scores(mouths(clip), rate.scores)


def _step(name: str, *libraries: str, after: tuple[Step, ...] = (SAMPLED,)) -> Step:
    return Step(name=name, libraries=libraries, after=after)


def _measure(
    of: Callable[..., object],
    step: Step,
    weights: str,
    *,
    against_real: bool = False,
    **definition: object,
) -> Measure:
    return Measure(
        definition=Definition(**{"family": "Pictures", "unit": "", **definition}),  # type: ignore[arg-type]
        of=of_one(of, against_real=against_real),  # type: ignore[arg-type]
        steps=(step,),
        weights=(weights,),
        paired=False,
    )


HYPERIQA = _measure(
    _of_frames("hyperiqa_koniq", lambda path, place: _hyperiqa(path, place).scores),
    _step("hyperiqa", "torch", "torchvision"),
    "hyperiqa_koniq",
    name="hyperiqa",
    title="hyperIQA",
    direction="higher",
    range="about 0 to 100",
    formula="mean over sampled frames, and over five crops of 224 px of each (corners and middle)",
    source="Su et al. 2020; SSL92/hyperIQA, trained on KonIQ-10k",
    status="proxy",
    divergences="Its demo takes ten random crops of a picture that it stretches to 512 x 384; "
    "LatentSync's evaluation takes another choice. Trained on photographs.",
)

CLIP_IQA = _measure(
    _of_frames("clip_rn50", lambda path, place: _clip_iqa(path, place).scores),
    _step("clip-iqa", "torch", "open_clip_torch"),
    "clip_rn50",
    name="clip_iqa",
    title="CLIP-IQA",
    direction="higher",
    range="0 to 1",
    formula="mean over sampled frames of the softmax of 100 x the cosines with “Good photo.” and "
    "“Bad photo.”, its first; CLIP RN50 without the position embedding",
    source="Wang et al. 2023 (arXiv 2207.12396)",
    status="paper",
    divergences="CLIP-IQA+ learns its prompts. Some programs take CLIP's ViT, whose scale is "
    "another.",
)

DOVER = _measure(
    dover,
    _step("dover", "onnxruntime", after=(PICTURES,)),
    "dover",
    name="dover",
    title="DOVER",
    direction="higher",
    range="0 to 1",
    formula="sigmoid(0.6104 t + 0.3896 a), t and a the scaled technical and aesthetic scores of "
    "at most 30 s from `skip_first` on",
    source="Wu et al. 2023 (arXiv 2211.04894); VQAssessment/DOVER and its convert_to_onnx.py",
    status="proxy",
    divergences="Its fragments are taken at random places of their cells, here from their "
    "middles; theirs are of the video's own size, here of the protocol's.",
)

SUBJECT_CONSISTENCY = _measure(
    subject_consistency,
    _step("dino", "torch", "torchvision"),
    "dino_vitb16",
    name="subject_consistency_dino",
    family="Identity",
    title="Subject consistency (DINO)",
    direction="higher",
    range="0 to 1",
    formula="mean over sampled frames t > 0 of (max(0, cos(f(t), f(t-1))) + max(0, cos(f(t), "
    "f(0)))) / 2, f DINO ViT-B/16's class token",
    source="VBench (arXiv 2311.17982), subject_consistency.py; Caron et al. 2021",
    status="proxy",
    divergences="VBench takes every frame at the video's own rate and shape, here the sampled "
    "ones of the protocol's. A still video has 1.",
)

THL_AESTHETICS = _measure(
    _of_frames("topiq_iaa", lambda path, place: _exported(path, place).scores),
    _step("topiq_iaa", "onnxruntime"),
    "topiq_iaa",
    against_real=True,
    name="thl_aesthetics",
    title="Global aesthetics (THEval)",
    direction="closer",
    range="about 1 to 10",
    formula="mean over sampled frames of TOPIQ-IAA",
    source="THEval, global_aesthetic.py; Chen et al. 2024 (arXiv 2308.03060)",
    status="proxy",
    divergences="Theirs takes every frame in the video's own size through pyiqa; here the "
    "protocol's, by an export of that network.",
)

THL_MOUTH = _measure(
    mouth_quality,
    _step("musiq_koniq", "onnxruntime", after=(SAMPLED, LANDMARKS)),
    "musiq_koniq",
    against_real=True,
    name="thl_mouth",
    title="Mouth quality (THEval)",
    direction="closer",
    range="about 0 to 100",
    formula="mean over sampled frames of MUSIQ (KonIQ) of the lips' box with 10 px around it in a "
    "picture of 256",
    source="THEval, mouth_quality.py; Ke et al. 2021 (arXiv 2108.05997)",
    status="proxy",
    divergences="Theirs lays the mouths of 64 frames into the corner of a black picture as large "
    "as the largest, which moves the score; here each stands alone, by an export of that network.",
)

THL_FACE = _measure(
    _of_frames("topiq_nr_face", lambda path, place: _exported(path, place).scores),
    _step("topiq_nr_face", "onnxruntime"),
    "topiq_nr_face",
    against_real=True,
    name="thl_face",
    title="Face quality (THEval)",
    direction="closer",
    range="about 0 to 1",
    formula="mean over sampled frames of TOPIQ for faces",
    source="THEval, face_quality.py; Chen et al. 2024 (arXiv 2308.03060)",
    status="proxy",
    divergences="Theirs takes every frame through pyiqa, which cuts out the face itself; here the "
    "protocol's picture goes in whole, by an export of that network.",
)

PLACE = 144
METRICS = (
    HYPERIQA, CLIP_IQA, DOVER, SUBJECT_CONSISTENCY, THL_AESTHETICS, THL_MOUTH, THL_FACE,
)  # fmt: skip
