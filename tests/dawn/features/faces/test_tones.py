"""Light and skin tone of painted faces, whose colours are known."""

import numpy as np
import pytest
from skimage.color import lab2rgb

from dawn.features.faces.tones import tones

SIDE = 200


def face_points() -> np.ndarray:
    points = np.zeros((68, 2), np.float32)
    for index, place in {
        36: (60, 80), 45: (140, 80), 41: (65, 85), 46: (135, 85), 31: (90, 110), 35: (110, 110),
        48: (80, 140), 54: (120, 140), 3: (45, 130), 13: (155, 130),
    }.items():  # fmt: skip
        points[index] = place
    return points


def painted(left: tuple[float, float, float], right: tuple[float, float, float]) -> np.ndarray:
    """L*a*b* of the two halves as RGB bytes."""
    lab = np.empty((SIDE, SIDE, 3))
    lab[:, : SIDE // 2], lab[:, SIDE // 2 :] = left, right
    return (lab2rgb(lab) * 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("lightness", "b", "angle"), [(70, 20, 45.0), (60, 17.32, 30.0), (50, 15, 0.0), (35, 15, -45.0)]
)
def test_the_angle_is_that_of_the_colour(lightness: float, b: float, angle: float) -> None:
    skin = (lightness, 10.0, b)
    found = tones(painted(skin, skin), face_points())
    assert found is not None
    assert found.skin_tone == pytest.approx(angle, abs=1.5)
    assert found.lightness == pytest.approx(lightness, abs=0.5)
    assert found.side_light < 0.5


def test_light_from_one_side_is_the_difference_of_the_cheeks() -> None:
    found = tones(painted((75, 10, 18), (55, 10, 18)), face_points())
    assert found is not None
    assert found.side_light == pytest.approx(20, abs=1)
    assert found.lightness == pytest.approx(65, abs=1)


def test_grey_skin_and_cheeks_out_of_the_picture() -> None:
    grey = tones(painted((60, 0, 0), (60, 0, 0)), face_points())
    assert grey is not None
    assert np.isfinite(grey.skin_tone)
    assert tones(painted((60, 10, 15), (60, 10, 15)), face_points() - 80) is None
