"""High dynamic range and wide gamuts to the BT.709 picture that everything downstream expects.

PQ (SMPTE ST 2084) and HLG (ARIB STD-B67, shown at 1000 cd/m²) become light, light becomes a
picture for a standard display: diffuse white, 203 cd/m² by ITU-R BT.2408, is its white; what is
brighter is compressed into the last tenth. Primaries of BT.2020 and P3 are turned into BT.709's.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18
"""Transfer characteristics by their numbers in ITU-T H.273."""
_BT2020, _P3 = 9, 12
"""Colour primaries by theirs."""
_WHITE = 203.0
_PEAK = 1000.0
_KNEE = 0.9
_GAMMA = 2.4
_LEVELS = 1 << 12

# Linear RGB of those primaries to linear RGB of BT.709, all with white D65 (ITU-R BT.2087).
_TO_709: dict[int, NDArray[np.float32]] = {
    _BT2020: np.array(
        [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
        np.float32,
    ),
    _P3: np.array(
        [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]], np.float32
    ),
}


def needs_conversion(transfer: int, primaries: int) -> bool:
    """Whether a picture with these characteristics would look wrong as it is."""
    return transfer in (PQ, HLG) or primaries in _TO_709


def to_bt709(picture: NDArray[np.uint16], transfer: int, primaries: int) -> NDArray[np.uint8]:
    """RGB (H, W, 3) of 16 bits, full range, with these characteristics, to BT.709 of 8 bits."""
    light = _light(transfer)[picture]
    if transfer == HLG:  # the system's gamma of 1.2 acts on luminance
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light *= (_PEAK / _WHITE) * np.maximum(luminance, 1e-6)[..., None] ** 0.2
    if primaries in _TO_709:
        light = light @ _TO_709[primaries].T
    bright = light > _KNEE
    light[bright] = _KNEE + (1 - _KNEE) * np.tanh((light[bright] - _KNEE) / (1 - _KNEE))
    steps = (np.sqrt(np.maximum(light, 0)) * (_LEVELS - 1) + 0.5).astype(np.uint16)
    return _display()[steps]


@lru_cache(maxsize=3)
def _light(transfer: int) -> NDArray[np.float32]:
    """Light of each 16-bit level: 1 is diffuse white (HLG: the scene's, 0 to 1)."""
    signal = np.linspace(0, 1, 1 << 16)
    if transfer == PQ:
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        power = signal ** (1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 10_000 / _WHITE
    elif transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    else:
        light = signal**_GAMMA
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _display() -> NDArray[np.uint8]:
    """8-bit levels of the square roots of light, in even steps: finer in the dark, as eyes are."""
    light = np.linspace(0, 1, _LEVELS) ** 2
    return np.rint(255 * light ** (1 / _GAMMA)).astype(np.uint8)
