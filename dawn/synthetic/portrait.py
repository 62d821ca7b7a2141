"""One person at rest: the portrait reshaped and recoloured for an `Identity`.

A portrait is two layers of texels, the head (with its coverage) over a plate without the head, and
what the renderer needs to know of the head's shape: landmarks, depth, and where it gives way to
the shoulders. Textures are (480, 432); positions are texels, x right, y down, z away from the
camera.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import scipy

from dawn.synthetic.cutout import HEIGHT, WIDTH, Cutout, Floats, Image, cut_out
from dawn.synthetic.identity import RGB, Identity

FRAME_HEIGHT, FRAME_WIDTH = 320, 288
"""Size of a frame in pixels; the face takes 45 % of its height."""

GRID = 4
"""Texels between the knots of the coarse fields."""

EYES = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133)),
    ((263, 466, 388, 387, 386, 385, 384, 398, 362), (263, 249, 390, 373, 374, 380, 381, 382, 362)),
)
"""Upper and lower lid of either eye, corner to corner, as mesh indices."""
LIPS = (
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
"""Inner edge of the upper and of the lower lip, corner to corner, as mesh indices."""
NOSE_TIP, NOSE_BASE, CHIN, CHEEKS = 4, 2, 152, (234, 454)

_DEEPEN = 1.25  # the mesh's depth is shallow: this makes its reading of a turn match the turn
_SMOOTH = 3.5  # knots; a head that curves gently neither folds nor streaks when it turns
_UNSMILE = (0.07, 0.02)  # how far the mouth's corners go in and down, of the face's size


@dataclass(frozen=True)
class Portrait:
    """What `head.render` draws from."""

    identity: Identity
    head: Image
    """(H, W, 4): colour and coverage of the head at rest."""
    plate: Floats
    """(320, 288, 3) in 0..255: the frame with the head taken out."""
    mesh: Floats
    """(478, 3) landmarks at rest."""
    grid: Floats
    """(h, w, 2): the positions of the coarse knots."""
    depth: Floats
    """(h, w): depth of the head at the knots, the pivot's depth at 0."""
    hold: Floats
    """(h, w): 1 where texels turn with the head, falling to 0 at the collar."""
    pivot: tuple[float, float]
    """Where the head turns on the neck."""


@lru_cache(maxsize=8)
def build_portrait(identity: Identity) -> Portrait:
    """Reshape and recolour the portrait (a fifth of a second, then cached)."""
    cut = cut_out(mirrored=identity.mirrored)
    rgb = _recolour(cut, identity)
    plate = _without(rgb, cut)
    moved = cut.mesh.copy()
    moved[:, :2] += _shape(identity, cut.mesh, cut.mesh[:, :2])
    sources = _inverse_shape(identity, cut.mesh)
    layer = np.dstack([rgb, np.round(cut.head * 255).astype(np.uint8)])
    head: Image = cv2.remap(layer, sources, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    ys = np.arange(0, HEIGHT + GRID, GRID, dtype=np.float32)
    xs = np.arange(0, WIDTH + GRID, GRID, dtype=np.float32)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    chin = moved[CHIN]
    hinge = float(moved[list(CHEEKS), 2].mean())
    fall = np.clip((grid[..., 1] - chin[1] + 12) / 62, 0, 1)
    hold = (1 - fall * fall * (3 - 2 * fall)).astype(np.float32)
    pivot = (float(moved[list(CHEEKS), 0].mean()), float(chin[1]) - 16)
    return Portrait(identity, head, plate, moved, grid, _depth(moved, grid, hinge), hold, pivot)


def _depth(mesh: Floats, grid: Floats, hinge: float) -> Floats:
    """Depth at the grid: the mesh's own on the face, falling back to the ears' around it."""
    centre = mesh[:, :2].mean(axis=0)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    outline = centre + (0, -30) + ring * (150, 190)
    far = centre + ring * (330, 360)
    chin = mesh[CHIN]
    throat = np.array([[chin[0] + dx, chin[1] + 26] for dx in (-30, 0, 30)])
    knots = np.concatenate([mesh[:, :2], outline, far, throat])
    depths = np.concatenate(
        [mesh[:, 2], np.full(2 * len(ring), hinge), np.full(3, 0.5 * (hinge + chin[2]))]
    )
    surface = scipy.interpolate.RBFInterpolator(
        knots, depths, kernel="thin_plate_spline", smoothing=20.0
    )
    values = surface(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    smooth: Floats = cv2.GaussianBlur(values.astype(np.float32), (0, 0), _SMOOTH) * _DEEPEN
    behind: Floats = np.minimum(smooth, _DEEPEN * hinge + 10) - np.float32(_DEEPEN * hinge)
    return behind


def _shape(identity: Identity, mesh: Floats, points: Floats) -> Floats:
    """How far the identity's shape moves points (..., 2) of the portrait at rest."""
    centre_x = float(mesh[list(CHEEKS), 0].mean())
    nose, chin = mesh[NOSE_TIP], mesh[CHIN]
    half = float(np.ptp(mesh[list(CHEEKS), 0])) / 2
    tall = float(np.ptp(mesh[:, 1]))
    x, y = points[..., 0] - centre_x, points[..., 1]
    settle = 1 - _ramp(y, chin[1], chin[1] + 50)  # the collar keeps its place

    low = _ramp(y, nose[1] - 0.12 * tall, chin[1] - 0.05 * tall)
    widen = identity.head_width + identity.jaw_width * low
    dx = x * widen * _bump(x, 1.9 * half) * settle
    for upper, _lower in EYES:
        eye = mesh[list(upper), :2].mean(axis=0)
        near = _bump(points[..., 0] - eye[0], 0.42 * half) * _bump(y - eye[1], 0.2 * tall)
        dx = dx + np.sign(eye[0] - centre_x) * identity.eye_distance * half * near
    stretch = _bump(x, 0.6 * half) * _bump(y - nose[1], 0.25 * tall)
    dy = identity.nose_length * 0.3 * tall * stretch
    for corner in mesh[[LIPS[0][0], LIPS[0][-1]], :2]:  # less of the portrait's smile
        near = _bump(points[..., 0] - corner[0], 0.2 * half) * _bump(y - corner[1], 0.1 * tall)
        dx = dx - np.sign(corner[0] - centre_x) * _UNSMILE[0] * half * near
        dy = dy + _UNSMILE[1] * tall * near
    crown = _ramp(-y, -mesh[:, 1].min(), -mesh[:, 1].min() + 0.5 * tall)
    aside = _ramp(np.abs(x), 0.8 * half, 1.6 * half) * _ramp(-y, -chin[1], -nose[1])
    dy = dy - identity.hair_volume * 0.5 * tall * crown
    dx = dx + np.sign(x) * identity.hair_volume * half * aside
    moved: Floats = np.stack([dx, dy], axis=-1).astype(np.float32)
    return moved


def _inverse_shape(identity: Identity, mesh: Floats) -> Floats:
    """(H, W, 2): the texel of the portrait that each texel of the reshaped one shows."""
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    target = np.stack([xs, ys], axis=-1)
    source: Floats = target
    for _ in range(6):  # the displacement is gentle, so this settles fast
        source = target - _shape(identity, mesh, source)
    return source


def _recolour(cut: Cutout, identity: Identity) -> Image:
    """Tint skin, hair, clothes and backdrop, leaving eyes and teeth alone."""
    lab: Floats = cv2.cvtColor(cut.rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    keep = np.zeros(cut.head.shape, np.uint8)
    for upper, lower in (*EYES, LIPS):
        outline = cut.mesh[[*upper, *lower[::-1]], :2]
        cv2.fillPoly(keep, [np.round(outline).astype(np.int32)], 1)
    keep = cv2.erode(keep, np.ones((3, 3), np.uint8))
    spared = cv2.GaussianBlur(keep.astype(np.float32), (0, 0), 1.0)
    skin = cut.skin * (1 - spared)
    hair = np.clip(cut.head - cut.skin, 0, 1) * (1 - spared)
    backdrop = np.clip(1 - cut.head - cut.clothes, 0, 1)
    for mask, tint in (
        (skin, identity.complexion),
        (hair, identity.hair),
        (backdrop, identity.backdrop),
    ):
        lab = _tint(lab, mask, tint)
    turn = np.radians(identity.clothes_hue)
    a, b = lab[..., 1].copy(), lab[..., 2].copy()
    lab[..., 1] += cut.clothes * (a * np.cos(turn) - b * np.sin(turn) - a)
    lab[..., 2] += cut.clothes * (a * np.sin(turn) + b * np.cos(turn) - b)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    tinted: Image = np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    return tinted


def _tint(lab: Floats, mask: Floats, tint: RGB) -> Floats:
    """Scale lightness and shift colour under a mask; dark texels take less of the shift."""
    gain, red, yellow = tint
    light = lab[..., 0]
    strength = mask * np.clip(light / 50, 0, 1)
    return np.stack(
        [
            np.clip(light * (1 + mask * (gain - 1)), 0, 100),
            lab[..., 1] + strength * red,
            lab[..., 2] + strength * yellow,
        ],
        axis=-1,
    )


def _without(rgb: Image, cut: Cutout) -> Floats:
    """The frame (320, 288, 3) without the head: its place is filled from the backdrop outside
    the neck ring and from the suit inside.
    """
    solid = (cut.head > 0.02).astype(np.uint8)
    hole = cv2.dilate(solid, np.ones((7, 7), np.uint8)).astype(np.float32)
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    ring = cv2.resize(cut.ring, size)[..., None]
    known = np.floor(1 - cv2.resize(hole, size))[..., None]
    filled = ring * _spread(small, known * ring) + (1 - ring) * _spread(small, known * (1 - ring))
    plate: Floats = np.clip(small * known + filled * (1 - known), 0, 255)
    return plate


def _spread(rgb: Floats, known: Floats) -> Floats:
    """Spread the known pixels' colours over the picture, fine detail before coarse."""
    filled = np.zeros(rgb.shape, np.float32)
    weight = np.zeros((*rgb.shape[:2], 1), np.float32)
    for sigma in (2, 5, 13, 40):
        colour = cv2.GaussianBlur(rgb * known, (0, 0), sigma)
        share = cv2.GaussianBlur(known, (0, 0), sigma)[..., None]
        gain = np.clip(share * 4, 0, 1) * (1 - weight)
        filled += gain * colour / np.maximum(share, 1e-6)
        weight += gain
    spread: Floats = filled / np.maximum(weight, 1e-6)
    return spread


def _ramp(value: Floats, low: float, high: float) -> Floats:
    """0 below `low`, 1 above `high`, smooth in between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    smooth: Floats = t * t * (3 - 2 * t)
    return smooth


def _bump(value: Floats, width: float) -> Floats:
    """A bell of this width."""
    bell: Floats = np.exp(-0.5 * (value / width) ** 2)
    return bell
