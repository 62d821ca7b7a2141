"""Pictures without a reference: known damage worsens every score, and nothing is made up."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from dawn.features.video import niqe
from eval.metrics.interface import Excluded, Reason, Value
from eval.metrics.no_reference import BRISQUE, FACE_SHARPNESS, NIQE
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair
from tests.films import write_film

CARD = ProtocolCard(name="test", size=256, skip_first=0, stride=2)
FACE = data.astronaut()[:256, 96:352]
RNG = np.random.default_rng(0)
DAMAGE = {
    "none": FACE,
    "blur": cv2.GaussianBlur(FACE, (0, 0), 1.5),
    "noise": np.clip(FACE + RNG.normal(0, 20, FACE.shape), 0, 255).astype(np.uint8),
    "blocks": cv2.imdecode(cv2.imencode(".jpg", FACE, [cv2.IMWRITE_JPEG_QUALITY, 8])[1], 1),
    "enlarged": cv2.resize(cv2.resize(FACE, (96, 96), interpolation=cv2.INTER_AREA), (256, 256)),
}
SVM = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.5\nrho -10\nSV\n2 1:1 36:-1\n-3 2:0.5\n"


def clip(folder: Path, picture: np.ndarray, frames: int = 4, **weights: Path) -> Clip:
    path = folder / f"{hash(picture.tobytes())}.mkv"
    if not path.exists():
        write_film(path, np.repeat(picture[None], frames, axis=0))
    return Clip(path, ClipSettings(card=CARD, weights=weights))


def test_every_damage_worsens_niqe() -> None:
    scores = {name: niqe.distance(niqe.patch_features(one)) for name, one in DAMAGE.items()}
    assert all(score is not None for score in scores.values())
    whole = scores.pop("none")
    assert {name for name, score in scores.items() if score < 1.15 * whole} == set()


def test_photographs_that_the_model_knows_are_nearest() -> None:
    mean, covariance = niqe.pristine()
    assert np.linalg.matrix_rank(covariance) == len(mean) == 36
    known = niqe.distance(niqe.patch_features(data.coffee()))
    assert known is not None
    assert known < min(niqe.distance(niqe.patch_features(one)) or 0 for one in DAMAGE.values())


def test_a_video_has_its_own_and_the_real_one_s(tmp_path: Path) -> None:
    pair = Pair("a", clip(tmp_path, DAMAGE["blur"]), clip(tmp_path, FACE))
    found = NIQE.measure(pair)
    assert isinstance(found, Value)
    assert found.n == 2
    assert found.reference is not None
    assert found.value > found.reference


def test_plain_pictures_have_no_statistics(tmp_path: Path) -> None:
    model = tmp_path / "svm.txt"
    model.write_text(SVM)
    plain = clip(tmp_path, np.full_like(FACE, 128), brisque=model)
    for metric in (NIQE, BRISQUE):
        assert metric.measure(Pair("a", plain, plain)) == Excluded(Reason.NO_EVENTS)


def test_brisque_is_the_mean_over_frames(tmp_path: Path) -> None:
    model = tmp_path / "svm.txt"
    model.write_text(SVM)
    same = clip(tmp_path, FACE, brisque=model)
    found = BRISQUE.measure(Pair("a", same, same))
    assert isinstance(found, Value)
    assert found.value == found.reference
    assert found.n == 2


def test_a_blurred_face_is_less_sharp_than_its_source(tmp_path: Path) -> None:
    real = clip(tmp_path, FACE)
    soft = clip(tmp_path, cv2.GaussianBlur(FACE, (0, 0), 1.0))
    found = FACE_SHARPNESS.measure(Pair("a", soft, real))
    assert isinstance(found, Value)
    assert found.value < -1  # less than half
    assert found.reference == pytest.approx(0, abs=0.05)  # the source is its own frame 0


def test_without_a_face_nothing_is_sharp(tmp_path: Path) -> None:
    texture = clip(tmp_path, np.dstack([data.gravel()[:256, :256]] * 3))
    assert FACE_SHARPNESS.measure(Pair("a", texture, texture)) == Excluded(Reason.NO_FACE)
