"""Who a rendered person is: a face shape, colours and a voice, drawn from a seed."""

from dataclasses import dataclass

import numpy as np

RGB = tuple[float, float, float]

# Colours that differ enough for strangers to be told apart: (lightness gain, redness, yellowness),
# the last two as shifts along the axes of CIE Lab.
_COMPLEXIONS: tuple[RGB, ...] = (
    *((1.0, 0.0, 0.0), (0.78, 2.0, 5.0), (0.60, 3.0, 6.0), (1.04, 1.0, -5.0), (0.88, 0.0, 6.0)),
)
_HAIR: tuple[RGB, ...] = (
    *((1.0, 0.0, 0.0), (0.42, -1.0, -16.0), (0.72, 10.0, 4.0), (0.30, 0.0, -20.0)),
    *((1.15, -2.0, -22.0), (0.58, 3.0, -8.0)),
)
_BACKDROPS: tuple[RGB, ...] = (
    *((1.0, 0.0, 0.0), (0.62, -6.0, -16.0), (0.80, -12.0, 8.0), (0.50, 4.0, 10.0)),
    *((0.86, 8.0, 14.0), (0.38, 0.0, -4.0)),
)


@dataclass(frozen=True)
class Identity:
    """One person. Shape terms are fractions of the portrait's own size (0 leaves it as it is);
    colours are (lightness gain, shift to red, shift to yellow) in CIE Lab.
    """

    seed: int
    mirrored: bool = False
    head_width: float = 0.0
    jaw_width: float = 0.0
    nose_length: float = 0.0
    eye_distance: float = 0.0
    hair_volume: float = 0.0
    complexion: RGB = (1.0, 0.0, 0.0)
    hair: RGB = (1.0, 0.0, 0.0)
    backdrop: RGB = (1.0, 0.0, 0.0)
    clothes_hue: float = 0.0
    """Turn of the suit's hue in degrees."""
    pitch_hz: float = 190.0
    """Middle of the voice's pitch."""
    tract: float = 1.0
    """Formant scale: below 1 a longer vocal tract."""


def make_identity(seed: int) -> Identity:
    """The person of this seed. Neighbouring seeds differ in mirror, skin, hair and backdrop."""
    draw = np.random.default_rng((seed, 0x1DE))

    def between(low: float, high: float) -> float:
        return float(draw.uniform(low, high))

    low_voice = seed % 2 == 1
    return Identity(
        seed=seed,
        mirrored=seed % 2 == 1,
        head_width=between(-0.05, 0.06),
        jaw_width=between(-0.09, 0.12),
        nose_length=between(-0.06, 0.10),
        eye_distance=between(-0.07, 0.09),
        hair_volume=between(-0.10, 0.10),
        complexion=_COMPLEXIONS[seed % len(_COMPLEXIONS)],
        hair=_HAIR[seed % len(_HAIR)],
        backdrop=_BACKDROPS[(seed + seed // len(_BACKDROPS)) % len(_BACKDROPS)],
        clothes_hue=0.0 if seed == 0 else between(60.0, 300.0),
        pitch_hz=between(95.0, 130.0) if low_voice else between(165.0, 215.0),
        tract=between(0.88, 0.96) if low_voice else between(1.0, 1.12),
    )
