"""Pose of a template that was turned by known angles."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dawn.features.faces.landmarks import LANDMARKS
from dawn.features.faces.pose import TEMPLATE_CM, head_pose

ANGLES = [(0, 0, 0), (20, 0, 0), (0, 15, 0), (0, 0, 25), (-30, 10, -12), (12, -18, 7)]


def turned(yaw: float, pitch: float, roll: float, scale: float = 8.0) -> np.ndarray:
    """Landmarks (1, 478, 3) in a 256-px picture of a head with that pose, in 3DDFA's signs."""
    # R = Rz(roll) Ry(-yaw) Rx(pitch) has R20 = sin yaw, R21/R22 = tan pitch, R10/R00 = tan roll.
    rotation = Rotation.from_euler("ZYX", [roll, -yaw, pitch], degrees=True).as_matrix()
    points = np.zeros((LANDMARKS, 3))
    index = list(TEMPLATE_CM)
    points[index] = scale * np.array(list(TEMPLATE_CM.values())) @ rotation.T
    return (points * (1, -1, -1) + (128, 120, 0))[None].astype(np.float32)


@pytest.mark.parametrize("angles", ANGLES)
def test_known_angles_come_back(angles: tuple[float, float, float]) -> None:
    pose, _ = head_pose(turned(*angles))
    assert pose[0, :3] == pytest.approx(angles, abs=0.01)


def test_signs_are_those_of_the_docstring() -> None:
    nose, left_eye, right_eye = 4, 33, 263
    straight = turned(0, 0, 0)[0]
    assert turned(20, 0, 0)[0][nose, 0] < straight[nose, 0] - 5  # to the picture's left
    assert turned(0, 20, 0)[0][nose, 1] > straight[nose, 1] + 5  # chin down: nose goes down
    tilted = turned(0, 0, 20)[0]
    assert tilted[right_eye, 1] < tilted[left_eye, 1]  # anticlockwise


def test_size_and_place_leave_angles_alone_and_are_measured() -> None:
    small, big = turned(10, 5, -5, scale=5), turned(10, 5, -5, scale=10)
    big = big + np.array([30, -10, 0], np.float32)
    pose, head = head_pose(np.concatenate([small, big]))
    assert pose[0, :3] == pytest.approx(pose[1, :3], abs=0.01)
    assert head[:, 2] == pytest.approx([5, 10], rel=1e-3)


def test_a_missing_frame_is_missing() -> None:
    points = np.concatenate([turned(0, 0, 0), turned(5, 0, 0)])
    points[0, 7] = np.nan
    pose, head = head_pose(points)
    assert np.isnan(pose[0]).all()
    assert np.isnan(head[0]).all()
    assert np.isfinite(pose[1]).all()
