"""The portrait scikit-image ships, cut into parts that can move: head, clothes, backdrop.

All pictures here are (480, 432) texels, upright (eyes level), one and a half times as fine as the
frames that are rendered from them.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from dawn.features.faces.landmarks import FaceMesh

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

HEIGHT, WIDTH = 480, 432
"""Size of the texture in texels."""

_EYE_CORNERS = (33, 263)
_OVAL_TOP, _CHIN = 10, 152
_FACE_HEIGHT = 216.0  # texels from the top of the mesh to the chin: 45 % of the picture
_FACE_CENTRE = (216.0, 252.0)
_NECK_BASE = 205  # rows of the source below this one never move
_SOURCE_HEAD = (227, 92)  # the head's centre in the source
_RING = (  # points on the outer rim of the suit's neck ring, in the source
    *((125, 185), (138, 160), (172, 148), (260, 176), (287, 200), (304, 232)),
    *((300, 258), (235, 293), (150, 260)),
)
# GrabCut's labels, as plain numbers: OpenCV's own are untyped.
_BACK, _FRONT, _MAYBE_BACK, _MAYBE_FRONT = range(4)


@dataclass(frozen=True)
class Cutout:
    """The upright portrait. Masks are (H, W) in 0..1 with soft edges."""

    rgb: Image
    """(H, W, 3)."""
    head: Floats
    """Hair, face and neck."""
    skin: Floats
    """Bare skin of the head."""
    clothes: Floats
    """The rest of the person."""
    ring: Floats
    """All within the suit's neck ring, also what the head hides of it."""
    mesh: Floats
    """(478, 3) landmarks in texels, z growing away from the camera."""


@cache
def cut_out(*, mirrored: bool) -> Cutout:
    """Cut the portrait (or its mirror image) into parts."""
    rgb, *parts = _upright_parts()
    if mirrored:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
        parts = [np.ascontiguousarray(part[:, ::-1]) for part in parts]
    with FaceMesh(still=True) as finder:
        fine = finder.detect(rgb)  # again: finer on the larger picture
    if fine is None:
        raise ValueError("MediaPipe loses the portrait's face once it is upright")
    head, skin, person, ring = parts
    clothes = np.clip(person - head, 0, 1)
    return Cutout(rgb, head, np.minimum(skin, head), clothes, ring, fine)


@cache
def _upright_parts() -> tuple[Image, Floats, Floats, Floats, Floats]:
    """The portrait, and masks of its head, skin, person and neck ring: upright, and costly."""
    source: Image = np.ascontiguousarray(skimage.data.astronaut())
    with FaceMesh(still=True) as finder:
        mesh = finder.detect(source)
    if mesh is None:
        raise ValueError("MediaPipe finds no face in skimage.data.astronaut()")
    upright = _upright(mesh)
    head, skin, person, ring = (_warp(part, upright) for part in _masks(source, mesh))
    rgb: Image = cv2.warpAffine(
        source, upright, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return rgb, head, skin, person, ring


def _upright(mesh: Floats) -> Floats:
    """The similarity (2, 3) from source pixels to texels that levels the eyes."""
    right, left = mesh[list(_EYE_CORNERS), :2]
    top, chin = mesh[_OVAL_TOP, :2], mesh[_CHIN, :2]
    tilt = float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))
    centre = (top + chin) / 2
    scale = _FACE_HEIGHT / float(np.linalg.norm(chin - top))
    matrix: Floats = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), tilt, scale)
    matrix[:, 2] += np.asarray(_FACE_CENTRE) - centre
    return matrix


def _warp(mask: Floats, upright: Floats) -> Floats:
    """Carry a mask of the source to the texture and soften its edge."""
    warped = cv2.warpAffine(mask, upright, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    soft: Floats = cv2.GaussianBlur(warped, (0, 0), 1.6)
    return soft


def _masks(source: Image, mesh: Floats) -> tuple[Floats, ...]:
    """Head, skin, person and neck ring of the source, as 0/1 masks (512, 512)."""
    hull = cv2.convexHull(np.ascontiguousarray(mesh[:, :2])).reshape(-1, 2)
    inner = _polygon(source, hull.mean(axis=0) + 0.93 * (hull - hull.mean(axis=0)))
    crown = _ellipse(source, (_SOURCE_HEAD[0], 75), (50, 45), upper=True)
    around = _ellipse(source, _SOURCE_HEAD, (88, 95))
    seed = np.full(source.shape[:2], _BACK, np.uint8)
    seed[_ellipse(source, _SOURCE_HEAD, (92, 99))] = _MAYBE_BACK
    seed[around] = _MAYBE_FRONT
    seed[inner | crown] = _FRONT
    head = _grab(source, seed)

    rows = np.arange(source.shape[0])[:, None]
    columns = np.arange(source.shape[1])[None, :]
    cheeks = inner & (rows > 96)
    neck = (rows > 124) & (np.abs(columns - 223) < 46)
    bare = _like(source, _ellipse(source, (224, 125), (26, 34)), crown)
    skin = head & (bare | cheeks | neck)

    # The collar below the neck belongs to the head's layer: there the two layers agree.
    collar = (rows > 172) & (rows < _NECK_BASE) & (np.abs(columns - 221) < 32)
    head |= collar

    red, blue = source[..., 0].astype(int), source[..., 2].astype(int)
    suit = (red - blue > 80) & (rows > 150)
    rim = cv2.fitEllipse(np.array(_RING, np.float32))
    ring = _ellipse(source, rim[0], (rim[1][0] / 2, rim[1][1] / 2), tilt=rim[2])
    seed = np.full(source.shape[:2], _BACK, np.uint8)
    seed[rows[:, 0] > 140] = _MAYBE_BACK
    seed[suit | head | ring] = _FRONT
    person = _grab(source, seed)
    return tuple(mask.astype(np.float32) for mask in (head, skin, person, ring))


def _grab(source: Image, seed: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """GrabCut from a labelled seed; the fixed random state makes it repeatable."""
    labels = seed.copy()
    cv2.setRNGSeed(1)
    cv2.grabCut(
        source, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK
    )
    found: NDArray[np.bool_] = (labels == _FRONT) | (labels == _MAYBE_FRONT)
    return found


def _polygon(source: Image, corners: Floats) -> NDArray[np.bool_]:
    canvas = np.zeros(source.shape[:2], np.uint8)
    cv2.fillPoly(canvas, [corners.astype(np.int32)], 1)
    return canvas.astype(bool)


def _ellipse(
    source: Image,
    centre: tuple[float, float],
    radii: tuple[float, float],
    *,
    tilt: float = 0.0,
    upper: bool = False,
) -> NDArray[np.bool_]:
    """A filled ellipse, or its upper half; the tilt is in degrees."""
    canvas = np.zeros(source.shape[:2], np.uint8)
    middle = (round(centre[0]), round(centre[1]))
    axes = (round(radii[0]), round(radii[1]))
    cv2.ellipse(canvas, middle, axes, tilt, 180 if upper else 0, 360, 1, -1)
    return canvas.astype(bool)


def _like(source: Image, ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the colour resembles that of region `ours` more than that of region `theirs`."""
    lab: Floats = cv2.cvtColor(cv2.GaussianBlur(source, (0, 0), 1.5), cv2.COLOR_RGB2LAB)
    lab = lab.astype(np.float32)
    scores = []
    for region in (ours, theirs):
        sample = lab[region]
        offset = lab - sample.mean(axis=0)
        spread = np.cov(sample.T)
        distance = np.einsum("hwi,ij,hwj->hw", offset, np.linalg.inv(spread), offset)
        scores.append(distance + np.log(np.linalg.det(spread)))
    found: NDArray[np.bool_] = scores[0] < scores[1]
    return found
