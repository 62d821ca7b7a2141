"""How far a picture's statistics are from those of good photographs, without a reference and
without a file to fetch: NIQE (Mittal, Soundararajan and Bovik 2013).

NIQE holds the Gaussian of a picture's 36 features a patch against that of pristine pictures. The
published model of the latter is a MATLAB file; ours is fitted here, in the same way, to
photographs that scikit-image's wheel carries. So scores are not those of the published model.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

PATCH = 96
"""Pixels of a patch's side, as published."""
_SHARP = 0.75
"""Of the sharpest patch of a photograph: less sharp ones do not count among the pristine ones."""
_PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "brick", "grass", "gravel", "rocket")
_FEATURES = 36

F64 = NDArray[np.float64]


def patch_features(image: NDArray[np.uint8]) -> F64:
    """RGB (H, W, 3) to the features (n, 36) of its patches, which adjoin from the middle outwards;
    those without any detail have none.
    """
    rows = [
        cv2.quality.QualityBRISQUE.computeFeatures(patch).reshape(-1)
        for patch in _patches(np.ascontiguousarray(image[..., ::-1]))
    ]
    found = np.array(rows, dtype=np.float64).reshape(-1, _FEATURES)
    return found[np.isfinite(found).all(axis=1)]


def _patches(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    height, width = image.shape[:2]
    top, left = (height % PATCH) // 2, (width % PATCH) // 2
    return [
        np.ascontiguousarray(image[y : y + PATCH, x : x + PATCH])
        for y in range(top, height - PATCH + 1, PATCH)
        for x in range(left, width - PATCH + 1, PATCH)
    ]


def distance(features: F64) -> float | None:
    """Patches' features (n, 36) to NIQE, 0 is best; None for fewer than two patches."""
    if len(features) < 2:
        return None
    mean, covariance = pristine()
    gap = mean - features.mean(axis=0)
    pooled = (covariance + np.cov(features, rowvar=False)) / 2
    return float(np.sqrt(max(0.0, gap @ np.linalg.pinv(pooled) @ gap)))


@lru_cache(maxsize=1)
def pristine() -> tuple[F64, F64]:
    """Mean (36,) and covariance (36, 36) of sharp patches of photographs."""
    rows = []
    for name in _PHOTOGRAPHS:
        picture = getattr(data, name)()
        image = np.ascontiguousarray(picture if picture.ndim == 3 else np.dstack([picture] * 3))
        kept = [patch for patch in _patches(image) if _detail(patch) > 0]
        most = max(map(_detail, kept))
        rows += [patch_features(patch) for patch in kept if _detail(patch) >= _SHARP * most]
    features = np.concatenate(rows)
    return features.mean(axis=0), np.cov(features, rowvar=False)


def _detail(patch: NDArray[np.uint8]) -> float:
    """Mean local deviation of the grey levels."""
    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean = cv2.GaussianBlur(grey, (7, 7), 7 / 6)
    spread = cv2.GaussianBlur(grey * grey, (7, 7), 7 / 6) - mean * mean
    return float(np.sqrt(np.maximum(spread, 0)).mean())
