"""Blinks and speech on the resting head, drawn in the texture before the head turns.

Both work by columns. A lid's skin is stretched from its crease down over the eye. The lips part
along the line where they meet: the upper one rides up a little, the lower one takes the jaw with
it, and between them a dark mouth shows the portrait's own upper teeth.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from dawn.synthetic.cutout import HEIGHT, WIDTH, Floats, Image
from dawn.synthetic.identity import Identity
from dawn.synthetic.portrait import CHIN, EYES, LIPS, NOSE_BASE, build_portrait

# Lengths in texels; the face is 216 high.
_LASHES = 6.0  # the lid's edge, which keeps its shape while the skin above it stretches
_GAPE = 30.0  # between the lips when the mouth is wide open
_CHEEK, _THROAT = 62, 64  # how far the jaw's movement reaches beside the lips and below the chin
_RAISE = 0.22  # the upper lip's share of the opening
_MEET = 0.5  # where the closed lips meet, from the upper lip's edge in the portrait to the lower's
_FLESH = np.array([74, 24, 24], np.float32)
_DARK = np.array([26, 8, 8], np.float32)


@dataclass(frozen=True)
class _Lid:
    """One eye's window of the texture and, by column, the row of its open lid's edge and how far
    that edge comes down; the skin from `crease` texels above the edge takes part.
    """

    left: int
    right: int
    top: int
    bottom: int
    edge: Floats
    gap: Floats
    crease: float


@dataclass(frozen=True)
class _Mouth:
    """The lower face's window of the texture. By column: the rows of the portrait's lip edges, the
    row where closed lips meet, and the share of the full opening. By texel: the share of the
    jaw's drop. The upper lip gives way over `reach` texels.
    """

    left: int
    right: int
    top: int
    bottom: int
    upper: Floats
    lower: Floats
    meet: Floats
    wide: Floats
    jaw: Floats
    reach: float


def express(identity: Identity, mouth: float, eye: float) -> Image:
    """The head's texels (480, 432, 4) with the mouth open by 0..1 and the eyes by 0..1."""
    texels = build_portrait(identity).head.copy()
    lids, lips = _layout(identity)
    if eye < 1:
        for lid in lids:
            _close_lid(texels, lid, 1 - eye)
    _part_lips(texels, lips, mouth)
    return texels


@lru_cache(maxsize=8)
def _layout(identity: Identity) -> tuple[tuple[_Lid, ...], _Mouth]:
    mesh = build_portrait(identity).mesh
    return tuple(_lid(mesh, upper, lower) for upper, lower in EYES), _mouth(mesh)


def _lid(mesh: Floats, upper: tuple[int, ...], lower: tuple[int, ...]) -> _Lid:
    corners = mesh[[upper[0], upper[-1]], 0]
    left, right = int(corners.min()) - 4, int(corners.max()) + 5
    columns = np.arange(left, right, dtype=np.float32)
    top = _along(mesh, upper, columns)
    bottom = _along(mesh, lower, columns)
    gap = np.maximum(bottom - top, 0)
    # The mesh's line runs through the lashes: the lid's edge is below it, and a shut lid's edge
    # below the lower lid's line, where lashes come to lie. Nothing moves at the corners.
    full = np.clip(gap / 6, 0, 1)
    lash = 1.5 * full
    crease = float(gap.max()) * 1.3
    return _Lid(
        left=left,
        right=right,
        top=int(top.min() - crease) - 3,
        bottom=int(bottom.max()) + 6,
        edge=top + lash,
        gap=np.maximum(gap - lash + 3 * full, 0),
        crease=crease,
    )


def _close_lid(texels: Image, lid: _Lid, closure: float) -> None:
    """Draw the lid over the eye in place."""
    rows = np.arange(lid.top, lid.bottom, dtype=np.float32)[:, None]
    columns = np.arange(lid.left, lid.right, dtype=np.float32)[None, :]
    start = lid.edge - lid.crease
    edge = lid.edge + closure * lid.gap
    below = np.maximum(rows - start, 0)
    stretch = (lid.crease - _LASHES) / (edge - start - _LASHES)
    source = np.where(rows > start, start + below * stretch, rows)
    source = np.where(rows > edge - _LASHES, rows - edge + lid.edge, source)
    skin = _sample(texels, np.broadcast_to(columns, source.shape), source)
    over = _step(edge - rows)[..., None]
    window = texels[lid.top : lid.bottom, lid.left : lid.right]
    window[:] = _blend(window, skin, over)


def _mouth(mesh: Floats) -> _Mouth:
    upper_lip, lower_lip = LIPS
    corners = mesh[[upper_lip[0], upper_lip[-1]], 0]
    chin, base = mesh[CHIN], mesh[NOSE_BASE]
    left, right = max(int(corners.min()) - _CHEEK, 0), min(int(corners.max()) + _CHEEK, WIDTH)
    top, bottom = int(base[1]), min(int(chin[1]) + _THROAT, HEIGHT)
    columns = np.arange(left, right, dtype=np.float32)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    upper = _along(mesh, upper_lip, columns)
    lower = np.maximum(_along(mesh, lower_lip, columns), upper)
    # Half a texel into the lips, lest a rim of teeth cling to them.
    inset = np.clip((lower - upper) / 4, 0, 1)
    upper, lower = upper - 0.6 * inset, lower + 0.9 * inset
    meet = upper + _MEET * (lower - upper)
    centre, half = float(corners.mean()), float(np.ptp(corners)) / 2
    across = np.clip((columns - centre) / half, -1, 1)
    wide = (1 - across**2) ** 0.8
    side = np.exp(-0.5 * ((columns - centre) / (0.85 * half)) ** 2)
    side = side * np.clip((_CHEEK + half - np.abs(columns - centre)) / 20, 0, 1)
    away = np.clip((rows - chin[1] - 6) / (bottom - chin[1] - 10), 0, 1)
    jaw = side[None, :] * (1 - away * away * (3 - 2 * away))
    reach = float(mesh[13, 1] - base[1]) * 0.9
    return _Mouth(left, right, top, bottom, upper, lower, meet, wide, jaw, reach)


def _part_lips(texels: Image, lips: _Mouth, opening: float) -> None:
    """Draw the mouth in place: the inside, then the lower lip with the jaw, then the upper lip."""
    rows = np.arange(lips.top, lips.bottom, dtype=np.float32)[:, None]
    columns = np.arange(lips.left, lips.right, dtype=np.float32)[None, :]
    across = np.broadcast_to(columns, (len(rows), columns.shape[1]))
    gape = _GAPE * opening * lips.wide
    upper, lower = lips.meet - _RAISE * gape, lips.meet + (1 - _RAISE) * gape

    start = lips.upper - lips.reach
    scale = lips.reach / (upper - start)
    above = np.where(rows > start, start + (rows - start) * scale, rows)
    below = _under(lips, rows, opening)
    window = texels[lips.top : lips.bottom, lips.left : lips.right]
    # Only a band of rows shows more than one of the three.
    first, last = int(upper.min()) - lips.top - 2, int(lower.max()) - lips.top + 4
    band = slice(first, last)
    inside = _inside(window[band], lips, rows[band], lower)
    high_lip = _sample(texels, across[:last], above[:last])
    low_lip = _sample(texels, across[first:], below[first:])
    # Either lip reaches a texel past its edge, so that no inside shows where they touch.
    seen = _blend(inside, low_lip[: last - first], _step(rows[band] - lower + 1)[..., None])
    window[band] = _blend(seen, high_lip[band], _step(upper - rows[band] + 1)[..., None])
    window[:first] = high_lip[:first]
    window[last:] = low_lip[last - first :]


def _under(lips: _Mouth, rows: Floats, opening: float) -> Floats:
    """The row that each row below the mouth shows, by inverting the lower lip's and jaw's drop."""
    lift = lips.meet - lips.lower
    drop = (1 - _RAISE) * _GAPE * opening
    source = np.broadcast_to(rows, lips.jaw.shape).astype(np.float32)
    index = np.broadcast_to(np.arange(lips.jaw.shape[1], dtype=np.float32), lips.jaw.shape)
    target = source
    for _ in range(4):
        depth = np.maximum(source - lips.lower, 0)
        near = np.exp(-0.5 * (depth / 16) ** 2)
        jaw = cv2.remap(
            lips.jaw, index, source - lips.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        source = target - near * lift - drop * (near * lips.wide + (1 - near) * jaw)
    return source.astype(np.float32)


def _inside(window: Image, lips: _Mouth, rows: Floats, lower: Floats) -> Image:
    """The mouth's inside: the upper teeth, which stay with the skull, over dark flesh."""
    gap = np.maximum(lips.lower - lips.upper, 1e-3)
    depth = np.clip((rows - lips.upper) / np.maximum(lower - lips.upper, 4), 0, 1)[..., None]
    cave = _DARK + (_FLESH - _DARK) * depth * depth
    teeth = _step((lips.upper + 0.8 * gap - rows) / 1.5) * np.clip(gap / 8, 0, 1)
    shade = 0.45 + 0.4 * np.clip(gap / gap.max(), 0, 1)[..., None]
    colour = cave + teeth[..., None] * (window[..., :3] * shade - cave)
    return np.dstack([colour, window[..., 3].astype(np.float32)]).astype(np.uint8)


def _along(mesh: Floats, contour: tuple[int, ...], columns: Floats) -> Floats:
    """Height of a contour of the mesh at the columns, level beyond its ends."""
    points = mesh[list(contour), :2]
    points = points[np.argsort(points[:, 0])]
    return np.interp(columns, points[:, 0], points[:, 1]).astype(np.float32)


def _sample(texels: Image, columns: Floats, rows: Floats) -> Image:
    sampled: Image = cv2.remap(
        texels,
        np.ascontiguousarray(columns, np.float32),
        np.ascontiguousarray(rows, np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return sampled


def _step(distance: Floats) -> Floats:
    """Coverage of an edge from the signed distance to it in texels, two texels wide."""
    return np.clip(distance / 2 + 0.5, 0, 1).astype(np.float32)


def _blend(under: Image, over: Image, coverage: Floats) -> Image:
    mixed: Image = (under + coverage * (over.astype(np.float32) - under) + 0.5).astype(np.uint8)
    return mixed
