"""Text burnt into the picture: subtitles, logos, watermarks. Also text that was filmed, such as a
map behind the speaker: where it stands still it spoils a crop no less.

The detector is PP-OCRv4's (DB: Liao et al. 2020, arXiv 1911.08947), the small one. It finds where
text is; it does not read.
"""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.onnx_file import open_onnx

_SIDE = 320
"""Pixels of the network's input; a multiple of 32. Letters 8 px high in a 256-px crop are found;
at 480 pixels hair and edges are taken for text."""
_THRESHOLD, _MEAN_THRESHOLD = 0.3, 0.5
_GROW = 1.6
"""Area over perimeter by which a region grows: the network marks text's shrunken middle. These
three are PP-OCR's and RapidOCR's values."""
_LEAST_SIDE = 3
_LEAST_LOOKS = 2
"""A region of text that is seen in one look only is taken for an error."""


class TextDetector:
    """Finds text in pictures."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """Open the ONNX file; InputError when it cannot be read."""
        self._session = open_onnx(path, device)
        self._input = self._session.get_inputs()[0].name

    def mask(self, image: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """RGB (H, W, 3) to (320, 320): where the picture, stretched to that size, shows text."""
        small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
        scaled = small[..., ::-1].astype(np.float32) / 127.5 - 1  # it was trained on BGR
        batch = np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
        (probability,) = self._session.run(None, {self._input: batch})
        return regions(probability[0, 0])


def regions(probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    """DB's probability map (H, W) to the mask of text: each connected region that is likely
    enough, as its tightest rectangle, grown to the size of the text.
    """
    mask = np.zeros(probability.shape, np.uint8)
    marked = (probability > _THRESHOLD).astype(np.uint8)
    contours, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        centre, (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < _LEAST_SIDE:
            continue
        inside = cv2.drawContours(np.zeros_like(mask), [contour], -1, 1, cv2.FILLED)
        if cv2.mean(probability, inside)[0] < _MEAN_THRESHOLD:
            continue
        more = _GROW * width * height / (width + height)  # twice the distance of each edge
        box = cv2.boxPoints((centre, (width + more, height + more), angle))
        cv2.fillConvexPoly(mask, np.round(box).astype(np.int32), 1)
    return mask.astype(bool)


def text_share(detector: TextDetector, looks: Iterable[NDArray[np.uint8]]) -> float:
    """Share of the picture's area that shows text in at least two of the looks."""
    seen = np.zeros((_SIDE, _SIDE), np.int32)
    for image in looks:
        seen += detector.mask(image)
    return float((seen >= _LEAST_LOOKS).mean())
