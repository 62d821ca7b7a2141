import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dawn.features.faces.landmarks import FaceMesh
from dawn.features.faces.threeddfa import MobileNet, ThreeDDFA, face_crop, load_statistics, pose_of
from manifests.errors import InputError
from tests.footage import read_frames


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rz(roll) Ry(-yaw) Rx(pitch), degrees: the order in which 3DDFA_V2 composes its angles."""
    x, y, z = np.radians([pitch, yaw, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (-40, 12, 7), (5, -20, -60)])
def test_pose_is_read_back_from_parameters(angles: tuple[float, float, float]) -> None:
    parameters = np.zeros(62, np.float32)
    matrix = np.column_stack([4.8e-4 * rotation(*angles), [56.5, 64.9, -66]])
    matrix[2, :3] = 9  # never read
    parameters[:12] = matrix.ravel()
    expected = [*angles, 4.8e-4, 56.5, 64.9, -66]
    np.testing.assert_allclose(pose_of(parameters), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("yaw", [-90, 90])
def test_facing_sideways_has_no_roll(yaw: float) -> None:
    parameters = np.zeros(62, np.float32)
    parameters[:12] = np.column_stack([rotation(yaw, 25, 0), np.zeros(3)]).ravel()
    np.testing.assert_allclose(pose_of(parameters)[:3], [yaw, 25, 0], atol=1e-3)


def test_crop_follows_the_detector_rule() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    # A 100 px box: side 158, centre 14 px lower; so it spans 121..279 and 135..293.
    image[135:293, 121:279] = 200
    crop = face_crop(image, np.array([150, 150, 250, 250]))
    assert crop.shape == (120, 120, 3)
    assert (crop == 200).all()
    crop = face_crop(image, np.array([149, 150, 249, 250]))
    assert not (crop == 200).all()


def test_crop_is_black_outside_of_the_picture() -> None:
    image = np.full((100, 100, 3), 255, np.uint8)
    crop = face_crop(image, np.array([-50, 0, 50, 100]))
    assert crop[60, :58].max() == 0
    assert crop[60, 64:80].min() == 255
    for box in ((5, 5, 5, 5), (50, 9, 20, 80), (np.nan, 0, 1, 1), (900, 900, 990, 990)):
        with pytest.raises(InputError, match="face box"):
            face_crop(image, np.array(box))


def test_statistics_pickle_can_only_hold_arrays(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "attacked"),)

    good = {"mean": np.arange(62, dtype=np.float32), "std": np.ones(62, np.float32)}
    cases: dict[str, bytes] = {
        "attack": pickle.dumps(good | {"mean": Attack()}),
        "short": pickle.dumps({"mean": np.ones(3), "std": np.ones(3)}),
        "unnamed": pickle.dumps({"mean": np.ones(62)}),
        "text": b"<html>",
        "empty": b"",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            load_statistics(tmp_path / name)
    assert not (tmp_path / "attacked").exists()
    (tmp_path / "good").write_bytes(pickle.dumps(good))
    assert load_statistics(tmp_path / "good")[0].tolist() == list(range(62))
    with pytest.raises(InputError, match="absent"):
        load_statistics(tmp_path / "absent")


def test_original_layout_is_loaded_strictly(tmp_path: Path) -> None:
    network = MobileNet()
    state = {f"module.{n.replace('fc.', 'fc_param.')}": t for n, t in network.state_dict().items()}
    state |= {"module.fc_lm.weight": torch.ones(136, 512), "module.fc_lm.bias": torch.ones(136)}
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "net.pth")
    statistics = {"mean": np.full((1, 62), 5, np.float32), "std": np.full((1, 62), 2, np.float32)}
    (tmp_path / "stat.pkl").write_bytes(pickle.dumps(statistics))
    crop = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    ours = ThreeDDFA(tmp_path / "net.pth", tmp_path / "stat.pkl").parameters(crop)
    pixels = (torch.tensor(crop[..., ::-1].copy()).permute(2, 0, 1)[None] - 127.5) / 128
    with torch.no_grad():
        expected = network.eval()(pixels)[0].numpy() * 2 + 5
    np.testing.assert_allclose(ours, expected, rtol=1e-5)

    del state["module.dw6.conv_sep.weight"]
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"net\.pth: lacks 'dw6\.conv_sep\.weight'"):
        ThreeDDFA(tmp_path / "net.pth", tmp_path / "stat.pkl")


@pytest.fixture(scope="module")
def estimator(shared: Path) -> ThreeDDFA:
    weights = shared / "weights"
    return ThreeDDFA(
        weights / "3ddfa_v2_mb05_120x120.pth", weights / "3ddfa_v2_param_mean_std_62d_120x120.pkl"
    )


@pytest.fixture(scope="module")
def faces(shared: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames of a turning head, with their landmarks."""
    with FaceMesh(still=True) as mesh:
        pairs = [(frame, mesh.detect(frame)) for frame in read_frames(shared, "c01_*")[::10]]
    return [(frame, landmarks) for frame, landmarks in pairs if landmarks is not None]


def box_of(landmarks: np.ndarray) -> np.ndarray:
    return np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)])


@pytest.mark.shared
def test_real_faces_fill_the_crop_as_in_training(estimator, faces, shared: Path) -> None:
    poses = np.array([estimator.pose(frame, box_of(points)) for frame, points in faces])
    assert (poses.shape, poses.dtype) == ((len(faces), 7), np.float32)
    mean, _ = load_statistics(shared / "weights" / "3ddfa_v2_param_mean_std_62d_120x120.pkl")
    np.testing.assert_allclose(np.median(poses[:, 3]), pose_of(mean)[3], rtol=0.1)
    np.testing.assert_allclose(np.median(poses[:, 4:], axis=0), pose_of(mean)[4:], atol=5)


@pytest.mark.shared
def test_real_angles_follow_the_nose(estimator, faces) -> None:
    yaw, pitch = np.array([estimator.pose(frame, box_of(points))[:2] for frame, points in faces]).T
    leftwards, downwards = np.array([nose_place(points) for _, points in faces]).T
    assert np.corrcoef(yaw, leftwards)[0, 1] > 0.9
    assert np.corrcoef(pitch, downwards)[0, 1] > 0.5  # speech moves the chin too


@pytest.mark.shared
@pytest.mark.parametrize("degrees", [-20, 15])
def test_turning_the_picture_turns_the_roll(estimator, faces, degrees: float) -> None:
    changes = []
    for frame, points in faces[::4]:
        middle = points[:, :2].mean(axis=0).astype(float)
        turn = cv2.getRotationMatrix2D(tuple(middle), degrees, 1)
        turned = cv2.warpAffine(frame, turn, frame.shape[1::-1])
        before = estimator.pose(frame, box_of(points))
        changes.append(estimator.pose(turned, box_of(points))[2] - before[2])
    assert abs(np.median(changes) - degrees) < 5


@pytest.mark.shared
def test_a_mirror_changes_the_sides_only(estimator, faces) -> None:
    for frame, points in faces[::4]:
        left, top, right, bottom = box_of(points)
        width = frame.shape[1]
        pose = estimator.pose(frame, box_of(points))
        mirrored = estimator.pose(
            frame[:, ::-1], np.array([width - right, top, width - left, bottom])
        )
        np.testing.assert_allclose(mirrored[:3], pose[:3] * [-1, 1, -1], atol=5)


def nose_place(points: np.ndarray) -> tuple[float, float]:
    """Where the nose tip lies between the cheeks, leftwards, and from the eyes to the chin."""
    nose, left, right, chin = points[1], points[234], points[454], points[152]
    eyes = (points[33, 1] + points[263, 1]) / 2
    return (right[0] - nose[0]) / (right[0] - left[0]), (nose[1] - eyes) / (chin[1] - eyes)
