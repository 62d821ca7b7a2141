"""Who is it: face crops aligned as ArcFace does, and their embeddings.

Crops are 112x112, brought by a similarity transform to ArcFace's five-point template (Deng et al.
2019, arXiv 1801.07698). Embeddings are unit vectors: their dot product is the cosine similarity.
With MobileFaceNet, frames of one person agree at 0.5-0.95 and different people stay under 0.35;
averaged over a few frames (`clip_embedding`), under 0.3. Occlusion and extreme expressions cost
most.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.device import CPU, Placement, batch_on, onnx_device
from dawn.features.faces.alignment import similarity
from dawn.features.onnx_file import fixed_batch, open_onnx
from manifests.errors import InputError

TEMPLATE_112: NDArray[np.float64] = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""ArcFace's places, x and y in pixels, of the eyes, the nose tip and the mouth corners; the
picture's left first."""

EMBEDDING = 128
"""Numbers in a MobileFaceNet embedding."""

ARCFACE = 512
"""Numbers in an ArcFace embedding."""

_FACE_BYTES, _MOST_FACES = 32 * 2**20, 64
"""What ArcFace holds of a face while it computes, and the faces that go through it at once."""

# Mesh points of each feature; a feature is their mean. The eyes' corners hold still when the gaze
# wanders and the lids close; the irises' centres scored no better.
_FIVE = ((33, 133), (362, 263), (1,), (61,), (291,))
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32) * 255  # ImageNet's, as it was trained
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32) * 255


def five_points(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mesh landmarks (..., 478, 2 or 3) to eyes, nose tip and mouth corners, (..., 5, 2) pixels."""
    points = [landmarks[..., group, :2].mean(axis=-2) for group in _FIVE]
    return np.asarray(np.stack(points, axis=-2), dtype=np.float32)


def align_112(image: NDArray[np.uint8], points: NDArray[Any], size: int = 112) -> NDArray[np.uint8]:
    """The face of an RGB or BGR picture (H, W, 3), whose five points (5, 2) are given, as
    ArcFace's (112, 112, 3) crop; outside of the picture is black.
    """
    transform = similarity_matrix(points, TEMPLATE_112 * (size / 112))
    return np.asarray(cv2.warpAffine(image, transform, (size, size)), dtype=np.uint8)


def similarity_matrix(source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    """The (2, 3) rotation, uniform scale and shift that brings points (N, 2) nearest to `target`.
    Raises InputError where the source points coincide.
    """
    points = source.astype(np.float64)
    if not np.ptp(points, axis=0).max() > 0:
        raise InputError("face points coincide or are not finite: no face can be aligned to them")
    scale, rotation, shift = similarity(points, target, np.ones(len(points)))
    return np.column_stack([scale * rotation, shift])


class MobileFaceNet:
    """Embeds aligned faces with foamliu's MobileFaceNet (Chen et al. 2018, arXiv 1804.07573)."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Open the ONNX file; InputError when it is not that network's."""
        self._session = open_onnx(path, place.device)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [entry.shape for entry in inputs], [result.shape for result in outputs]
        if shapes != ([[1, 3, 112, 112]], [[1, EMBEDDING]]):
            raise InputError(
                f"{path}: maps {shapes[0]} to {shapes[1]}, not a 112x112 face to 128 numbers"
            )
        self._input = inputs[0].name

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB crops (N, 112, 112, 3) from `align_112` to unit vectors (N, 128).

        The embedding of a crop and of its mirror image are summed, as at its authors'.
        """
        sums = [self._run(crop) + self._run(crop[:, ::-1]) for crop in crops]
        return _unit(np.array(sums, dtype=np.float32).reshape(-1, EMBEDDING))

    def _run(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(128,); the file fixes the batch to one."""
        pixels = ((crop - _MEAN) / _DEVIATION).transpose(2, 0, 1)[np.newaxis]
        (result,) = self._session.run(None, {self._input: np.ascontiguousarray(pixels)})
        return np.asarray(result[0], dtype=np.float32)


class ArcFace:
    """Embeds aligned faces with one of insightface's ArcFace networks (Deng et al. 2019)."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Open the ONNX file; InputError when it is not such a network's."""
        self._session = open_onnx(path, place.device)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [entry.shape for entry in inputs], [result.shape for result in outputs]
        one = len(inputs) == len(outputs) == 1
        if not one or shapes[0][0][1:] != [3, 112, 112] or shapes[1][0][1:] != [ARCFACE]:
            raise InputError(
                f"{path}: maps {shapes[0]} to {shapes[1]}, not a 112x112 face to 512 numbers"
            )
        self._input = inputs[0].name
        runs_on = Placement(onnx_device(place.device), place.share)
        whole = 1 if fixed_batch(self._session) else _MOST_FACES
        self._batch = batch_on(runs_on, _FACE_BYTES, on_cpu=1, most=whole)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB crops (N, 112, 112, 3) from `align_112` to unit vectors (N, 512), as insightface
        does: (x - 127.5) / 127.5, no mirror image.
        """
        starts = range(0, len(crops), self._batch)
        rows = [self._run(crops[start : start + self._batch]) for start in starts]
        return _unit(np.concatenate([np.empty((0, ARCFACE), np.float32), *rows]))

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = ((crops.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)
        (result,) = self._session.run(None, {self._input: np.ascontiguousarray(pixels)})
        return np.asarray(result, dtype=np.float32)


def same_face(embeddings: NDArray[np.float32]) -> float | None:
    """Cosine of the mean embeddings before and after the moment where they agree least, of looks
    (N, D) in the order of time; each side has two at least, None for fewer than four.

    Means, because one look may be a yawn: of looks at one person, some agree to 0.26 only.
    """
    least = 2
    moments = range(least, len(embeddings) - least + 1)
    sides = ((embeddings[:t], embeddings[t:]) for t in moments)
    found = (float(clip_embedding(a) @ clip_embedding(b)) for a, b in sides)
    return min(found, default=None)


def clip_embedding(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """One unit vector (D,) for several frames' (N, D) of one face; InputError for no frames."""
    if not len(embeddings):
        raise InputError("no face was embedded: a clip needs at least one frame with a face")
    return _unit(embeddings.mean(axis=0))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
