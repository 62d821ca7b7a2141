"""The renderer: signs, stillness where nothing should move, no holes, distinct people."""

from dataclasses import replace

import numpy as np
import pytest

from dawn.features.faces.landmarks import FaceMesh
from dawn.synthetic import head as head_module
from dawn.synthetic.head import HeadState, render
from dawn.synthetic.identity import make_identity
from dawn.synthetic.portrait import build_portrait

_NOSE, _CROWN, _CHIN, _CHEEKS = 4, 10, 152, [234, 454]


@pytest.fixture(scope="module")
def mesh_of():
    with FaceMesh(still=True) as finder:
        yield lambda state, person=0: finder.detect(render(make_identity(person), state))


@pytest.mark.parametrize("person", [0, 1])
def test_signs_of_the_pose(mesh_of, person):
    def nose(state):
        points = mesh_of(state, person)
        return (points[_NOSE] - points[_CHEEKS].mean(axis=0))[:2]

    def lean(state):
        points = mesh_of(state, person)
        return (points[_CROWN] - points[_CHIN])[0]

    rest = HeadState()
    assert nose(HeadState(yaw=12))[0] > nose(rest)[0] + 5  # to the picture's right
    assert nose(HeadState(pitch=7))[1] < nose(rest)[1] - 2  # chin up
    assert lean(HeadState(roll=7)) > lean(rest) + 10  # clockwise


def test_size_and_purity():
    identity, state = make_identity(2), HeadState(8, -3, 2, 0.5, 0.4)
    first = render(identity, state)
    render(identity, HeadState())
    assert first.shape == (320, 288, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, render(identity, state))


def test_shoulders_and_backdrop_stay_still():
    rest = render(make_identity(0), HeadState()).astype(int)
    turned = render(make_identity(0), HeadState(15, 8, -8, 1.0, 0.0)).astype(int)
    still = np.zeros(rest.shape[:2], bool)
    still[280:] = still[:200, :15] = still[:200, -15:] = True
    assert np.abs(rest - turned)[still].max() <= 1
    assert np.abs(rest - turned)[~still].mean() > 5


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(15, 8, 8), (-15, -8, 8), (15, -8, -8)])
def test_the_face_has_no_holes(monkeypatch, mesh_of, yaw, pitch, roll):
    """Before a garish plate, no garish pixel shows within the face."""
    state = HeadState(yaw, pitch, roll, mouth=1.0, eye=0.5)
    points = mesh_of(state)[:, :2]
    portrait = build_portrait(make_identity(0))
    garish = replace(portrait, plate=np.full_like(portrait.plate, (255, 0, 255)))
    plain = render(make_identity(0), state).astype(int)
    monkeypatch.setattr(head_module, "build_portrait", lambda _: garish)
    shown = render(make_identity(0), state).astype(int)
    centre = points.mean(axis=0)
    inner = np.round(centre + 0.85 * (points - centre)).astype(int)
    assert np.abs(shown - plain)[inner[:, 1], inner[:, 0]].max() <= 2
    assert np.abs(shown - plain)[5, 5].max() > 50


def test_an_open_mouth_is_dark_under_teeth(mesh_of):
    state = HeadState(mouth=1.0)
    points = mesh_of(state)
    x, top, bottom = points[13, 0], points[13, 1], points[14, 1]
    column = render(make_identity(0), state)[:, round(float(x))].mean(axis=-1)
    inside = column[round(float(top)) + 1 : round(float(bottom)) - 1]
    assert inside.min() < 60
    assert inside[: len(inside) // 2].max() > 110


def test_people_differ():
    faces = [render(make_identity(seed), HeadState()).astype(np.float32) for seed in range(6)]
    for i, one in enumerate(faces):
        for other in faces[i + 1 :]:
            middle = np.abs(one - other)[80:220, 70:220]
            assert middle.mean() > 12
    assert make_identity(3) == make_identity(3)
