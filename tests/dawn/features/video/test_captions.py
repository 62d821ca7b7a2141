"""Text in the picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from dawn.features.video.captions import TextDetector, regions, text_share
from manifests.errors import InputError


def test_a_likely_region_grows_to_the_text_and_an_unlikely_one_is_none() -> None:
    probability = np.zeros((320, 320), np.float32)
    probability[100:111, 50:151] = 0.9
    probability[200:211, 50:151] = 0.4  # above the map's threshold, below the region's
    probability[300:302, 10:300] = 0.9  # too thin for letters
    mask = regions(probability)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    grow = 1.6 * 10 * 100 / (10 + 100) / 2  # area over half the perimeter, half on each side
    assert (rows[0], rows[-1]) == pytest.approx((100 - grow, 110 + grow), abs=1)
    assert (columns[0], columns[-1]) == pytest.approx((50 - grow, 150 + grow), abs=1)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(InputError, match=r"text\.onnx: cannot be opened as ONNX"):
        TextDetector(path)


def written(image: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    image = image.copy()
    for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(image, text, (30, 236), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, width)
    return image


@pytest.mark.shared
def test_a_subtitle_is_text_and_a_portrait_is_none(shared: Path) -> None:
    path = shared / "weights" / "ch_PP-OCRv4_det_infer.onnx"
    if not path.exists():
        pytest.skip(f"needs {path} (dawn weights fetch ppocr_det)")
    detector = TextDetector(path)
    portrait = np.ascontiguousarray(data.astronaut()[:256, 96:352])
    subtitled = written(portrait, "what he said to them")
    assert text_share(detector, [portrait, portrait]) == 0
    assert 0.03 < text_share(detector, [subtitled, subtitled]) < 0.08
    assert text_share(detector, [subtitled, portrait]) == 0  # one look is no evidence
