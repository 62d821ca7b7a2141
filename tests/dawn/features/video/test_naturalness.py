"""BRISQUE: the regression by hand, and the published model on a good and a bad picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from dawn.features.video.naturalness import Brisque
from manifests.errors import InputError

MODEL = """svm_type epsilon_svr
kernel_type rbf
gamma 0.5
nr_class 2
total_sv 2
rho -10
SV
2 1:1 36:-1
-3 2:0.5
"""


def test_the_regression_is_libsvms(tmp_path: Path) -> None:
    path = tmp_path / "svm.txt"
    path.write_text(MODEL)
    expected = 2 * np.exp(-0.5 * (1 + 1)) - 3 * np.exp(-0.5 * 0.25) + 10
    assert Brisque(path).regress(np.zeros(36)) == pytest.approx(expected)


def test_a_flat_picture_has_no_score_and_a_portrait_has_one(tmp_path: Path) -> None:
    path = tmp_path / "svm.txt"
    path.write_text(MODEL)
    assert Brisque(path).score(np.full((64, 64, 3), 9, np.uint8)) is None
    score = Brisque(path).score(data.astronaut())
    assert score is not None
    assert np.isfinite(score)


@pytest.mark.parametrize(
    "text",
    ["", "no model", MODEL.replace("rbf", "linear"), MODEL.split("SV\n")[0] + "SV\n",
     MODEL.replace("36:", "99:"), MODEL.replace("1:1", "1;1")],
)  # fmt: skip
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "svm.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"svm\.txt: is not BRISQUE's LIBSVM model"):
        Brisque(path)


@pytest.mark.shared
def test_distortions_raise_the_published_models_score(shared: Path) -> None:
    path = shared / "weights" / "brisque_svm.txt"
    if not path.exists():
        pytest.skip(f"needs {path} (dawn weights fetch brisque)")
    brisque, picture = Brisque(path), data.astronaut()
    blurred = cv2.GaussianBlur(picture, (0, 0), 3)
    coded = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], 1)
    good, blocky, soft = (brisque.score(image) or 0 for image in (picture, coded, blurred))
    assert 0 < good < 15
    assert blocky > 30
    assert soft > 55
