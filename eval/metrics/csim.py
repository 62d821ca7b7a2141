"""CSIM: does the face stay the person's? Cosine similarity of identity embeddings."""

import numpy as np
from numpy.typing import NDArray

from dawn.features.rates import FPS
from eval.metrics.embeddings import FACES, Network, embeddings, source_embedding
from eval.metrics.interface import Definition, Excluded, Measure, Reason, Value
from eval.metrics.presence import face_fault
from eval.metrics.steps import SOURCE
from eval.protocol.clips import Clip, NoSourceError, Pair

DRIFT_SECONDS = 2.0
"""Length of the beginning and the end that are compared."""

_LABELS: dict[Network, str] = {"mobilefacenet": "mbf128", "arcface": "arcface-w600k_r50"}
_SOURCES: dict[Network, str] = {
    "mobilefacenet": "the same with foamliu/MobileFaceNet (Chen et al. 2018, arXiv 1804.07573)",
    "arcface": "Deng et al. 2019 (arXiv 1801.07698)",
}
_TITLES: dict[Network, str] = {"mobilefacenet": "MobileFaceNet", "arcface": "ArcFace R50"}


def csim_to_source(clip: Clip, pair: Pair, name: Network) -> NDArray[np.float32] | Excluded:
    """Cosine of each sampled frame's face with the source image's, (n,), NaN without a face."""
    fault = face_fault(clip)
    if fault is not None:
        return Excluded(fault)
    source = source_embedding(pair, name)
    if source is None:
        return Excluded(Reason.NO_FACE)
    return np.asarray(embeddings(clip, name) @ source, dtype=np.float32)


def source_of(pair: Pair, name: Network) -> Value | Excluded:
    """Mean to the source image; the reference is the real clip's own."""
    curve = csim_to_source(pair.generated, pair, name)
    if isinstance(curve, Excluded):
        return curve
    known = np.isfinite(curve)
    if not known.any():
        return Excluded(Reason.FEW_FACES)
    real = csim_to_source(pair.reference, pair, name)
    lost = isinstance(real, Excluded) or not np.isfinite(real).any()
    return Value(_mean(curve), None if lost else _mean(real), int(known.sum()))  # type: ignore[arg-type]


def truth_of(pair: Pair, name: Network) -> Value | Excluded:
    """Mean to the real frame of the same time."""
    for clip in (pair.generated, pair.reference):
        fault = face_fault(clip)
        if fault is not None:
            return Excluded(fault)
    curve = (embeddings(pair.generated, name) * embeddings(pair.reference, name)).sum(axis=1)
    known = np.isfinite(curve)
    return (
        Value(_mean(curve), None, int(known.sum())) if known.any() else Excluded(Reason.FEW_FACES)
    )


def drift_of(pair: Pair, name: Network) -> Value | Excluded:
    """Mean to the source image over the last seconds less that over the first."""
    if pair.frames < 2 * FPS:
        return Excluded(Reason.TOO_SHORT)
    own = _drift(csim_to_source(pair.generated, pair, name), pair.generated)
    if isinstance(own, Excluded):
        return own
    real = _drift(csim_to_source(pair.reference, pair, name), pair.reference)
    return Value(own[0], None if isinstance(real, Excluded) else real[0], own[1])


def _drift(curve: NDArray[np.float32] | Excluded, clip: Clip) -> tuple[float, int] | Excluded:
    if isinstance(curve, Excluded):
        return curve
    length = min(DRIFT_SECONDS * FPS, clip.frames / 2)
    at = clip.sampled_indices
    first, last = curve[at < length], curve[at >= clip.frames - length]
    if not np.isfinite(first).any() or not np.isfinite(last).any():
        return Excluded(Reason.FEW_FACES)
    return _mean(last) - _mean(first), int(np.isfinite(curve).sum())


def csim_curve(pair: Pair) -> NDArray[np.float32] | None:
    """The generated clip's similarity to the source over time, one number a sampled frame, by the
    better network that was used; None where none was.
    """
    for name in ("arcface", "mobilefacenet"):
        if name in pair.generated.settings.weights:
            try:
                curve = csim_to_source(pair.generated, pair, name)
            except NoSourceError:
                return None
            return None if isinstance(curve, Excluded) else curve
    return None


def _mean(curve: NDArray[np.float32]) -> float:
    return float(np.nanmean(curve.astype(np.float64)))


_ALIGNED = (
    "Faces are aligned by five points of MediaPipe's mesh to ArcFace's 112 px template. "
    "Some programs shrink the whole picture to 112 px instead; other networks and training "
    "sets have other scales. A video that stands still scores best: read it beside `pose_std`."
)


def csim(name: Network, to: str) -> Measure:
    """CSIM by one network: `to` the source image (`src`) or the real frames (`gt`), or its
    change from the clip's beginning to its end (`drift`).
    """
    formulas = {
        "src": "mean over sampled frames of cos(embedding of the frame, of the source image)",
        "gt": "mean over sampled frames of cos(embedding of the frame, of the real frame of that "
        "time)",
        "drift": "mean of csim_src over the last 2 s less that over the first 2 s (halves, where "
        "the clip is shorter than 4 s)",
    }
    titles = {"src": "CSIM to source", "gt": "CSIM to real", "drift": "CSIM change over time"}
    functions = {"src": source_of, "gt": truth_of, "drift": drift_of}
    of_source = (
        "The source image is the picture of the generation run, its largest face cropped as "
        "generation does, or the real clip's frame 0 where that was animated. "
    )
    others = {
        "src": f"{of_source}With reenactment papers CSIM is to the real frames instead.",
        "gt": "DAWN's CSIM is this one by its tables, where real video scores 1.",
        "drift": of_source.strip(),
    }
    return Measure(
        definition=Definition(
            name=f"csim_{to}_{_LABELS[name]}",
            family="Identity",
            headline=(name, to) in (("arcface", "gt"), ("mobilefacenet", "src")),
            title=f"{titles[to]} ({_TITLES[name]})",
            direction="higher",
            unit="",
            range="-2 to 2" if to == "drift" else "-1 to 1",
            formula=formulas[to],
            source=("ours, on csim_src: " if to == "drift" else "") + _SOURCES[name],
            status="own" if to == "drift" else "paper" if name == "arcface" else "proxy",
            divergences=f"{others[to]} {_ALIGNED}".strip(),
            version=1 if to == "gt" else 2,  # 1 took the picture's middle square for the source
        ),
        of=lambda pair: functions[to](pair, name),
        steps=(FACES[name],) if to == "gt" else (FACES[name], SOURCE),
        weights=(name,),
        paired=True,
    )


PLACE = 80
METRICS = tuple(
    csim(name, to) for name in ("arcface", "mobilefacenet") for to in ("src", "gt", "drift")
)
