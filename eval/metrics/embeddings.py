"""Identity embeddings of a clip's faces, by either network, computed once for all metrics."""

import functools
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dawn.device import CPU, Placement
from dawn.features.faces.identity import (
    ARCFACE,
    EMBEDDING,
    ArcFace,
    MobileFaceNet,
    align_112,
    five_points,
)
from dawn.features.faces.landmarks import following
from eval.metrics.interface import Features
from eval.metrics.steps import LANDMARKS, SAMPLED, Step
from eval.protocol.clips import Clip, Pair

Network = Literal["mobilefacenet", "arcface"]
"""Name in the weights' registry."""

FACES: dict[Network, Step] = {
    name: Step(name=f"faces by {name}", libraries=("onnxruntime",), after=(SAMPLED, LANDMARKS))
    for name in ("mobilefacenet", "arcface")
}

_WIDTH = {"mobilefacenet": EMBEDDING, "arcface": ARCFACE}


@functools.lru_cache(maxsize=2)
def network(name: Network, path: Path, place: Placement = CPU) -> MobileFaceNet | ArcFace:
    """The network from a file, once a process. Raises InputError."""
    return MobileFaceNet(path, place) if name == "mobilefacenet" else ArcFace(path, place)


def embeddings(clip: Clip, name: Network) -> Features:
    """Unit vectors (n, d) of the faces in the sampled frames; NaN where there is none. The
    weights must be there.
    """
    return clip.once(f"faces by {name}", lambda: _embed(clip, name))


def source_embedding(pair: Pair, name: Network) -> NDArray[np.float32] | None:
    """Unit vector (d,) of the source image's face; None where none is found."""
    return pair.reference.once(f"source by {name}", lambda: _embed_source(pair, name))


def _embed(clip: Clip, name: Network) -> Features:
    net = network(name, clip.settings.weights[name], clip.settings.place)
    found, points = clip.face_found, clip.landmarks
    rows = np.full((len(clip.sampled_indices), _WIDTH[name]), np.nan, np.float32)
    at = 0
    for chunk in clip.sampled():
        seen = [k for k in range(len(chunk)) if found[clip.sampled_indices[at + k]]]
        crops = [
            align_112(chunk[k], five_points(points[clip.sampled_indices[at + k]])) for k in seen
        ]
        if crops:
            rows[[at + k for k in seen]] = net.embed(np.stack(crops))
        at += len(chunk)
    return rows


def _embed_source(pair: Pair, name: Network) -> NDArray[np.float32] | None:
    picture = pair.source_image
    with following() as mesh:
        points = mesh.detect(picture)
    if points is None:
        return None
    settings = pair.generated.settings
    net = network(name, settings.weights[name], settings.place)
    return net.embed(align_112(picture, five_points(points))[np.newaxis])[0]
