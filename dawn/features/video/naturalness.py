"""How natural a picture's statistics are, without a reference: BRISQUE (Mittal et al. 2012).

OpenCV computes the 36 features. The regression on them is the one that was published with the
method, as LIBSVM's text file, trained on the LIVE database. 0 is best; above 100 is possible.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from manifests.errors import InputError

_FEATURES = 36
# The range of each feature in training (`allrange` of the published model): 18 at full size,
# 18 at half size.
_LEAST = np.array(
    [0.336999, 0.019667, 0.230000, -0.125959, 0.000167, 0.000616, 0.231000, -0.125873, 0.000165,
     0.000600, 0.241000, -0.128814, 0.000179, 0.000386, 0.243000, -0.133080, 0.000182, 0.000421,
     0.436998, 0.016929, 0.247000, -0.200231, 0.000104, 0.000834, 0.257000, -0.200017, 0.000112,
     0.000876, 0.257000, -0.155072, 0.000112, 0.000356, 0.258000, -0.154374, 0.000117, 0.000351]
)  # fmt: skip
_MOST = np.array(
    [9.999411, 0.807472, 1.644021, 0.202917, 0.712384, 0.468672, 1.644021, 0.169548, 0.713132,
     0.467896, 1.553016, 0.101368, 0.687324, 0.533087, 1.554016, 0.101000, 0.689177, 0.533133,
     3.639918, 0.800955, 1.096995, 0.175286, 0.755547, 0.399270, 1.095995, 0.155928, 0.751488,
     0.402398, 1.041992, 0.093209, 0.623516, 0.532925, 1.042992, 0.093714, 0.621958, 0.534484]
)  # fmt: skip


class Brisque:
    """Scores pictures; lower is more natural."""

    def __init__(self, path: Path) -> None:
        """Read LIBSVM's text file; InputError when it is no such regression."""
        head, _, body = path.read_text(encoding="ascii", errors="replace").partition("\nSV\n")
        settings = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
        try:
            if (settings["svm_type"], settings["kernel_type"]) != ("epsilon_svr", "rbf"):
                raise ValueError("no epsilon_svr with an rbf kernel")
            self._gamma, self._rho = float(settings["gamma"]), float(settings["rho"])
            rows = [line.split() for line in body.splitlines() if line.strip()]
            self._weights = np.array([float(row[0]) for row in rows])
            self._vectors = np.zeros((len(rows), _FEATURES))
            for vector, row in zip(self._vectors, rows, strict=True):
                for entry in row[1:]:  # LIBSVM leaves out zeros
                    number, value = entry.split(":")
                    vector[int(number) - 1] = float(value)
            if not rows:
                raise ValueError("it has no support vectors")
        except (KeyError, ValueError, IndexError) as error:
            raise InputError(f"{path}: is not BRISQUE's LIBSVM model ({error})") from error

    def score(self, image: NDArray[np.uint8]) -> float | None:
        """The score of an RGB picture (H, W, 3) of at least 32 x 32 pixels; None for one without
        any detail, which has no statistics.
        """
        grey = np.ascontiguousarray(image[..., ::-1])  # OpenCV turns BGR into grey itself
        features = cv2.quality.QualityBRISQUE.computeFeatures(grey).reshape(-1)
        if not np.isfinite(features).all():
            return None
        return self.regress(2 * (features - _LEAST) / (_MOST - _LEAST) - 1)

    def regress(self, scaled: NDArray[np.float64]) -> float:
        """The support vector regression of features (36,) that were scaled to -1..1."""
        distance = ((self._vectors - scaled) ** 2).sum(axis=1)
        return float(self._weights @ np.exp(-self._gamma * distance) - self._rho)
