"""Meshes and detectors are shared by all tracks of a process: they must carry nothing over."""

import numpy as np
import psutil
from skimage import data

from dawn.features.faces.detection import FaceDetector
from dawn.features.faces.landmarks import FaceMesh, borrow, give_back, mediapipe_solutions

FACE = data.astronaut()[:300, 100:400]
MOVING = [np.roll(FACE, shift, axis=1) for shift in range(0, 40, 4)]


def test_a_reused_mesh_is_as_good_as_new() -> None:
    with FaceMesh() as fresh:
        expected = [fresh.detect(picture) for picture in MOVING]
    used = borrow()
    for picture in reversed(MOVING):
        used.detect(picture[:, ::-1])
    give_back(used)
    again = borrow()
    assert again is used
    for picture, points in zip(MOVING, expected, strict=True):
        found = again.detect(picture)
        assert found is not None
        assert points is not None
        assert np.array_equal(found, points)
    give_back(again)


def test_points_are_those_of_mediapipes_message() -> None:
    with mediapipe_solutions().face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh:
        (face,) = mesh.process(FACE).multi_face_landmarks
    with FaceMesh() as ours:
        points = ours.detect(FACE)
    assert points is not None
    expected = np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32)
    assert np.array_equal(points, expected * np.float32(300))


def test_without_forgetting_it_would_not_be() -> None:
    """The check above can fail: a mesh that still follows another face answers otherwise."""
    with FaceMesh() as fresh, FaceMesh() as used:
        used.detect(MOVING[0][:, ::-1])
        one, other = fresh.detect(MOVING[-1]), used.detect(MOVING[-1])
    assert one is not None
    assert other is None or not np.array_equal(one, other)


def test_detectors_and_meshes_do_not_eat_memory() -> None:
    process = psutil.Process()

    def work() -> None:
        FaceDetector(0.5).detect(FACE)
        mesh = borrow()
        mesh.detect(FACE)
        give_back(mesh)

    work()
    before = process.memory_info().rss
    for _ in range(20):
        work()
    assert process.memory_info().rss - before < 40 * 2**20  # a leak took 20 MB a turn
