"""A frame from a state: the talking head, turned in three dimensions.

Signs, as seen in the picture (degrees): positive yaw turns the face to the picture's right,
positive pitch lifts the chin, positive roll tilts the head clockwise. With x right, y down and
z away from the camera the rotation is Rz(roll) Rx(pitch) Ry(yaw), about a pivot in the neck.

The head is a height field (`Portrait.depth`). Every knot of a coarse grid is rotated and
projected without perspective; that displacement, faded out at the collar, is inverted by
fixed-point iteration to find the texel that each pixel shows.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from dawn.synthetic.cutout import HEIGHT, Floats, Image
from dawn.synthetic.expression import express
from dawn.synthetic.identity import Identity
from dawn.synthetic.portrait import FRAME_HEIGHT, FRAME_WIDTH, GRID, Portrait, build_portrait

_SCALE = HEIGHT / FRAME_HEIGHT  # texels a pixel
_COARSE = 4  # pixels between the points where the warp is inverted
_STEPS = 8


@dataclass(frozen=True)
class HeadState:
    """What the camera sees at one moment. Degrees for the pose (signs above), `mouth` from 0
    (closed) to 1 (wide open), `eye` from 0 (shut) to 1 (open).
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    mouth: float = 0.0
    eye: float = 1.0


def render(identity: Identity, state: HeadState) -> Image:
    """The frame (320, 288, 3), RGB; the same arguments always give the same pixels."""
    portrait = build_portrait(identity)
    texels = express(identity, state.mouth, state.eye)
    sources = _sources(portrait, rotation(state.yaw, state.pitch, state.roll))
    head = cv2.remap(texels, sources, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = head[..., 3:] * np.float32(1 / 255)
    frame: Image = (portrait.plate + cover * (head[..., :3] - portrait.plate) + 0.5).astype(
        np.uint8
    )
    return frame


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """The rotation matrix (3, 3) of a pose in degrees."""
    angles = np.radians([yaw, pitch, roll])
    sy, sp, sr = np.sin(angles)
    cy, cp, cr = np.cos(angles)
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turn: Floats = (about_z @ about_x @ about_y).astype(np.float32)
    return turn


def _sources(portrait: Portrait, turn: Floats) -> Floats:
    """(320, 288, 2): the texel of the resting head that each pixel shows."""
    arm = np.dstack([portrait.grid - np.asarray(portrait.pivot, np.float32), portrait.depth])
    moved = arm @ (turn - np.eye(3, dtype=np.float32))[:2].T
    moved *= portrait.hold[..., None]
    shape = (FRAME_HEIGHT // _COARSE, FRAME_WIDTH // _COARSE)
    step = _SCALE * _COARSE
    ys = (np.arange(shape[0], dtype=np.float32) + 0.5) * step - 0.5
    xs = (np.arange(shape[1], dtype=np.float32) + 0.5) * step - 0.5
    target = np.stack(np.meshgrid(xs, ys), axis=-1)
    shift = np.zeros_like(target)
    for _ in range(_STEPS):
        knots = (target - shift) / GRID
        shift = cv2.remap(moved, knots, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    fine = cv2.resize(shift, (FRAME_WIDTH, FRAME_HEIGHT), interpolation=cv2.INTER_LINEAR)
    rows = (np.arange(FRAME_HEIGHT, dtype=np.float32) + 0.5) * _SCALE - 0.5
    columns = (np.arange(FRAME_WIDTH, dtype=np.float32) + 0.5) * _SCALE - 0.5
    sources: Floats = np.stack(np.meshgrid(columns, rows), axis=-1) - fine
    return sources
