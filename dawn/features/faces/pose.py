"""Head pose from the face mesh, as the vector DAWN uses.

A rigid template of the upper face is fitted to the mesh by weighted least squares (Umeyama
1991), which gives rotation, scale and translation at once. Angles follow 3DDFA_V2, the
network behind the official models: x to the picture's right, y up, z toward the viewer;
`yaw = asin(R20)`, `pitch = atan2(R21, R22)`, `roll = atan2(R10, R00)` in degrees. So positive
yaw turns the face to the picture's left, positive pitch lowers the chin, positive roll tilts
the head anticlockwise.

The template is the mean of MediaPipe's mesh over mirrored and rescaled copies of one portrait,
made symmetric, in centimetres (outer eye corners 9 cm apart, an adult's mean). Only points
that speech and blinks leave alone are in it.
"""

import numpy as np
from numpy.typing import NDArray

from dawn.features.faces.alignment import similarity
from dawn.features.faces.landmarks import to_68

TEMPLATE_CM: dict[int, tuple[float, float, float]] = {
    10: (0.00, 4.93, 1.77),
    151: (0.00, 3.55, 2.19),
    9: (0.00, 2.11, 2.54),
    8: (0.00, 1.29, 2.49),
    168: (0.00, 0.55, 2.56),
    6: (0.00, -0.15, 3.07),
    197: (0.00, -0.78, 3.64),
    195: (0.00, -1.36, 4.24),
    5: (0.00, -1.98, 4.87),
    4: (0.00, -2.82, 5.19),
    33: (-4.50, -0.13, 0.40),
    263: (4.50, -0.13, 0.40),
    133: (-1.69, -0.32, 0.93),
    362: (1.69, -0.32, 0.93),
    127: (-6.80, -1.29, -4.31),
    356: (6.80, -1.29, -4.31),
    234: (-6.78, -2.69, -4.67),
    454: (6.78, -2.69, -4.67),
    93: (-6.72, -4.06, -4.63),
    323: (6.72, -4.06, -4.63),
    54: (-5.79, 2.76, -1.16),
    284: (5.79, 2.76, -1.16),
    103: (-4.90, 3.78, -0.03),
    332: (4.90, 3.78, -0.03),
    67: (-3.47, 4.50, 1.01),
    297: (3.47, 4.50, 1.01),
    109: (-1.89, 4.85, 1.61),
    338: (1.89, 4.85, 1.61),
    21: (-6.34, 1.55, -2.25),
    251: (6.34, 1.55, -2.25),
    162: (-6.65, 0.24, -3.42),
    389: (6.65, 0.24, -3.42),
    116: (-6.24, -1.80, -0.69),
    345: (6.24, -1.80, -0.69),
    123: (-6.30, -2.93, -0.46),
    352: (6.30, -2.93, -0.46),
    117: (-5.25, -1.53, 0.49),
    346: (5.25, -1.53, 0.49),
}
"""Mesh index -> x (picture's right), y (up), z (toward the viewer), in cm."""

CROP_120 = 120
"""Side of 3DDFA's input crop, the frame of its scale and translation."""

_UNITS_PER_CM = 1.048e4
"""3DDFA's face model is in micrometres; the template's scale was fitted to it on real clips."""

_INDEX = np.array(list(TEMPLATE_CM))
_TEMPLATE = np.array(list(TEMPLATE_CM.values()))
# The template's depth is less certain toward the ears than around eyes and nose.
_WEIGHTS = 1.0 / (1.0 + (np.abs(_TEMPLATE[:, 0]) / 5.0) ** 2)

# Where 3DDFA's face model has its origin in the template, fitted to 3DDFA_V2 on real clips. The
# angles needed no such constant: their offsets are below half a degree.
_ORIGIN_CM = np.array([0.0, -2.7, -6.7])

POSE_FIELDS = ("yaw", "pitch", "roll", "scale", "tx", "ty", "tz")


def head_pose(landmarks: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pose of each frame's head.

    `landmarks` is (T, 478, 3) in pixels of any square crop, y down, z as MediaPipe's (smaller
    is nearer). Returns `pose` (T, 7): yaw, pitch, roll in degrees, scale and translation in
    3DDFA's 120-pixel crop (origin at its lower left; tz is 0, depth being unknown to an
    orthographic fit); and `head` (T, 3): the head's origin x, y and its pixels per centimetre
    in the given crop. Rows with NaN landmarks give NaN.
    """
    pose = np.full((len(landmarks), 7), np.nan, np.float32)
    head = np.full((len(landmarks), 3), np.nan, np.float32)
    known = np.isfinite(landmarks).all(axis=(1, 2))
    if known.any():
        pose[known], head[known] = _fit(landmarks[known].astype(np.float64))
    return pose, head


def _fit(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    target = points[:, _INDEX] * (1, -1, -1)  # to y up, z toward the viewer
    scale, rotation, shift = similarity(_TEMPLATE, target, _WEIGHTS)
    yaw = np.degrees(np.arcsin(np.clip(rotation[:, 2, 0], -1, 1)))
    pitch = np.degrees(np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2]))
    roll = np.degrees(np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]))
    origin = scale[:, None, None] * rotation @ _ORIGIN_CM + shift
    x, y = origin[:, 0], -origin[:, 1]
    left, top, side = np.transpose([roi_120(face) for face in points])
    to_120 = CROP_120 / side
    crop = (scale * to_120 / _UNITS_PER_CM, (x - left) * to_120, CROP_120 - (y - top) * to_120)
    pose = np.stack([yaw, pitch, roll, *crop, np.zeros(len(points))], axis=1)
    return pose, np.stack([x, y, scale], axis=1)


def roi_120(points: NDArray[np.float64]) -> tuple[float, float, float]:
    """Left, top and side of the square that 3DDFA_V2 crops around a face box (the 68 points')."""
    face = to_68(points)[:, :2]  # type: ignore[arg-type]
    low, high = face.min(axis=0), face.max(axis=0)
    mean_side = float((high - low).mean())
    side = 1.58 * mean_side
    left, top = (low + high) / 2 - side / 2
    return float(left), float(top) + 0.14 * mean_side, side
