import itertools
from pathlib import Path

import numpy as np
import pytest

from dawn.curation.decisions import FilterConfig
from dawn.features.faces import identity
from dawn.features.faces.landmarks import FaceMesh
from manifests.errors import InputError
from tests.footage import read_frames

PEOPLE = ("c01_*", "c03_*", "c04_*", "c07_*", "c09_*", "c22_*")


def test_similarity_recovers_rotation_scale_and_shift() -> None:
    angle, scale, shift = 0.3, 1.7, np.array([5.0, -9.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = (identity.TEMPLATE_112 - shift) @ turn / scale  # the inverse, rows as points
    expected = np.column_stack([scale * turn, shift])
    np.testing.assert_allclose(identity.similarity_matrix(source, identity.TEMPLATE_112), expected)


def test_similarity_never_mirrors() -> None:
    mirrored = identity.TEMPLATE_112 * [-1, 1]
    transform = identity.similarity_matrix(mirrored, identity.TEMPLATE_112)
    assert np.linalg.det(transform[:, :2]) > 0
    with pytest.raises(InputError, match="coincide"):
        identity.similarity_matrix(np.ones((5, 2)), identity.TEMPLATE_112)


def test_alignment_puts_the_points_on_the_template() -> None:
    points = identity.TEMPLATE_112 * 2 + 30
    image = np.zeros((300, 300, 3), np.uint8)
    for number, (x, y) in enumerate(points.round().astype(int)):
        image[y - 3 : y + 4, x - 3 : x + 4] = 50 * (number + 1)
    crop = identity.align_112(image, points)
    assert crop.shape == (112, 112, 3)
    for number, (x, y) in enumerate(identity.TEMPLATE_112.round().astype(int)):
        assert abs(int(crop[y, x, 0]) - 50 * (number + 1)) <= 1


def test_five_points_of_many_frames() -> None:
    landmarks = np.zeros((3, 478, 3), np.float32)
    landmarks[:, 33], landmarks[:, 133], landmarks[:, 291] = (10, 4, 0), (14, 6, 9), (7, 8, 9)
    points = identity.five_points(landmarks)
    assert points.shape == (3, 5, 2)
    assert points[1].tolist() == [[12, 5], [0, 0], [0, 0], [0, 0], [7, 8]]


def test_clip_embedding_is_a_unit_mean() -> None:
    pair = np.array([[1, 0], [0, 1]], np.float32)
    np.testing.assert_allclose(identity.clip_embedding(pair), [0.5**0.5, 0.5**0.5])
    with pytest.raises(InputError, match="at least one frame"):
        identity.clip_embedding(np.empty((0, 128), np.float32))


def test_a_face_that_becomes_another_one_is_told_from_one_odd_look() -> None:
    one, other = np.eye(2, 128, dtype=np.float32)
    odd = (one + 2 * other) / 5**0.5
    assert identity.same_face(np.stack([one, one, other, other])) == 0
    assert identity.same_face(np.stack([one, one, one, odd, one, one])) > 0.8
    assert identity.same_face(np.stack([one, one, other])) is None


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("<html>404</html>")
    for name in ("text.onnx", "absent.onnx"):
        with pytest.raises(InputError, match=name):
            identity.MobileFaceNet(tmp_path / name)


@pytest.mark.shared
def test_another_network_is_refused(shared: Path) -> None:
    with pytest.raises(InputError, match="not a 112x112 face"):
        identity.MobileFaceNet(shared / "weights" / "ulfd_RFB-320.onnx")


@pytest.mark.shared
def test_embedding_ignores_mirroring_and_batching(shared: Path) -> None:
    network = identity.MobileFaceNet(shared / "weights" / "MobileFaceNet.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    together = network.embed(crops)
    assert (together.shape, together.dtype) == ((2, 128), np.float32)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(network.embed(crops[1:])[0], together[1], atol=1e-6)
    np.testing.assert_allclose(network.embed(crops[:, :, ::-1]), together, atol=1e-5)
    assert network.embed(crops[:0]).shape == (0, 128)


@pytest.mark.shared
def test_people_are_told_apart(shared: Path) -> None:
    network = identity.MobileFaceNet(shared / "weights" / "MobileFaceNet.onnx")
    looks, halves = {}, {}
    for person in PEOPLE:
        embeddings = network.embed(np.array(aligned_crops(shared, person, count=8)))
        looks[person] = embeddings
        halves[person] = [identity.clip_embedding(embeddings[start::2]) for start in (0, 1)]
    for first, second in halves.values():
        assert first @ second >= 0.7
    for one, other in itertools.combinations(PEOPLE, 2):
        assert halves[one][0] @ halves[other][0] <= 0.3
    bound = FilterConfig().min_same_face
    for person, seen in looks.items():
        assert identity.same_face(seen) > bound, person
    for one, other in itertools.permutations(PEOPLE, 2):  # a cut that nothing else has seen
        for cut in (2, 4, 6):
            changed = np.concatenate([looks[one][:cut], looks[other][cut:]])
            assert identity.same_face(changed) < bound, (one, other, cut)


def aligned_crops(shared: Path, pattern: str, count: int) -> list[np.ndarray]:
    frames = read_frames(shared, pattern)
    crops = []
    with FaceMesh(still=True) as mesh:
        for index in np.linspace(2, len(frames) - 3, count).astype(int):
            landmarks = mesh.detect(frames[index])
            if landmarks is not None:
                crops.append(identity.align_112(frames[index], identity.five_points(landmarks)))
    return crops
