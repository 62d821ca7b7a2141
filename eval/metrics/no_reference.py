"""How pictures look without a real one to hold them against: natural statistics (NIQE, BRISQUE),
and whether the face is as sharp as the portrait that it was made from.
"""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.landmarks import following
from dawn.features.quality import face_patch, sharpness
from dawn.features.video.naturalness import Brisque
from eval.metrics.interface import Definition, Excluded, Measure, Reason, Value
from eval.metrics.presence import Number, face_fault, of_one
from eval.metrics.steps import LANDMARKS, SAMPLED, SOURCE, Step
from eval.protocol.clips import Clip, Pair

LEAST = 96
"""Pixels of a picture that has patches."""
_LIMIT = 0.5
"""Laplacian variance under which a face shows nothing that could be sharp."""

NATURAL = Step(name="natural statistics", libraries=("scikit-image",), after=(SAMPLED,))
SHARP = Step(name="sharpness of the face", after=(SAMPLED, LANDMARKS))


def niqe(clip: Clip) -> Number | Excluded:
    """Of the patches of all sampled frames together, and how many frames there are."""
    from dawn.features.video.niqe import distance, patch_features

    if clip.settings.card.size < 2 * LEAST:
        return Excluded(Reason.TOO_SMALL)
    rows = [patch_features(frame) for chunk in clip.sampled() for frame in chunk]
    if not rows:
        return Excluded(Reason.TOO_SHORT)
    found = distance(np.concatenate(rows))
    return Excluded(Reason.NO_EVENTS) if found is None else (found, len(rows))


@functools.lru_cache(maxsize=1)
def _regression(path: Path) -> Brisque:
    return Brisque(path)


def brisque(clip: Clip) -> Number | Excluded:
    """Mean over the sampled frames that show any detail."""
    model = _regression(clip.settings.weights["brisque"])
    scores = [model.score(frame) for chunk in clip.sampled() for frame in chunk]
    known = [score for score in scores if score is not None]
    if not scores:
        return Excluded(Reason.TOO_SHORT)
    return (float(np.mean(known)), len(known)) if known else Excluded(Reason.NO_EVENTS)


def face_sharpness(clip: Clip) -> tuple[float, int] | Excluded:
    """Median over sampled frames of the Laplacian's variance on the face, and how many."""
    fault = face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    return clip.once("face sharpness", lambda: _face_sharpness(clip))


def _face_sharpness(clip: Clip) -> tuple[float, int] | Excluded:
    found, at = [], 0
    for chunk in clip.sampled():
        for frame in chunk:
            points = clip.landmarks[clip.sampled_indices[at]]
            at += 1
            value = _of_face(frame, points) if np.isfinite(points[0, 0]) else None
            found += [] if value is None else [value]
    return (float(np.median(found)), len(found)) if found else Excluded(Reason.FEW_FACES)


def _of_face(frame: NDArray[np.uint8], points: NDArray[np.float32]) -> float | None:
    (x0, y0), (x1, y1) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    patch = face_patch(frame, (float(x0), float(x1), float(y0), float(y1)))
    return None if patch is None else sharpness(patch)


def _source_sharpness(pair: Pair) -> float | None:
    picture = pair.source_image
    with following() as mesh:
        points = mesh.detect(picture)
    return None if points is None else _of_face(picture, points)


def against_source(pair: Pair) -> Value | Excluded:
    """log2 of the face's sharpness over that of the source image; the reference is the real
    clip's own.
    """
    own = face_sharpness(pair.generated)
    if isinstance(own, Excluded):
        return own
    source = pair.reference.once("source sharpness", lambda: _source_sharpness(pair))
    if source is None:
        return Excluded(Reason.NO_SOURCE)
    if min(source, own[0]) < _LIMIT:
        return Excluded(Reason.NO_EVENTS)
    real = face_sharpness(pair.reference)
    lost = isinstance(real, Excluded) or real[0] < _LIMIT
    reference = None if lost else float(np.log2(real[0] / source))  # type: ignore[index]
    return Value(float(np.log2(own[0] / source)), reference, own[1])


NIQE = Measure(
    definition=Definition(
        name="niqe_skimage",
        family="Pictures",
        title="NIQE (our photographs)",
        direction="lower",
        unit="",
        range="0 and up",
        formula="sqrt((m - p)ᵀ ((C + P) / 2)⁺ (m - p)); m, C: mean and covariance of the 36 "
        "BRISQUE features of all 96-px patches of the sampled frames, p, P: those of sharp "
        "patches of eight photographs of scikit-image",
        source="Mittal et al. 2013, with a model of pristine pictures of our own",
        status="proxy",
        divergences="The published model is of 125 photographs, and other programs score each "
        "picture by itself: another scale. Six of seven real clips scored 8 to 16. Blur and noise "
        "raise it (table below), in tests blocks and enlargement, too. Plain grounds and text "
        "mislead it; a video that stands still scores worse, since its patches vary less. The "
        "real clips' number stands beside.",
    ),
    of=of_one(niqe, against_real=False),
    steps=(NATURAL,),
    paired=False,
)

BRISQUE = Measure(
    definition=Definition(
        name="brisque",
        family="Pictures",
        title="BRISQUE",
        direction="lower",
        unit="",
        range="any score",
        formula="mean over sampled frames of the published support vector regression on 36 "
        "natural-scene statistics",
        source="Mittal et al. 2012; features by OpenCV, the regression by LIBSVM's file",
        status="paper",
        divergences="Trained on photographs (LIVE), not on faces. Programs differ in the colour "
        "conversion and the resizing of the second scale. The picture is the protocol's, whose "
        "size moves it.",
    ),
    of=of_one(brisque, against_real=False),
    steps=(SAMPLED,),
    weights=("brisque",),
    paired=False,
)

FACE_SHARPNESS = Measure(
    definition=Definition(
        name="face_sharpness_src",
        family="Pictures",
        title="Face sharpness to source",
        direction="closer",
        unit="powers of two",
        range="any: 0 is as sharp as the source image, -1 half",
        formula="log2(median over sampled frames of v / v of the source image), v the variance "
        "of the Laplacian of the face at 128 px",
        source="ours; variance of the Laplacian: Pech-Pacheco et al. 2000",
        status="own",
        divergences="Real video is itself less sharp than its first frame where the head moves, "
        "hence against the real clip's. Noise counts as sharpness.",
    ),
    of=against_source,
    steps=(SHARP, SOURCE),
    paired=False,
)

PLACE = 142
METRICS = (NIQE, BRISQUE, FACE_SHARPNESS)
