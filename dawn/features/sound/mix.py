"""Sound of several channels as one, such that a voice keeps its level wherever it was put."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_PAIR = ({"FL", "DL"}, {"FR", "DR"})
_CENTRE, _LOW = {"FC"}, {"LFE", "LFE2"}
_NOT_LOUDSPEAKERS = ("NONE", "AMBI", "UNSD", "USR", "UNK")
"""How names begin that say nothing of where a channel belongs."""
_AROUND = 0.5**1.5

# What channels without names are taken for, by their number, as FFmpeg does; but the fourth, which
# it takes for the low-frequency one, is kept: it may be a microphone.
_UNNAMED = {
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "BC", "BL", "BR"),
    7: ("FL", "FR", "FC", "BC", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "BC", "BL", "BR", "SL", "SR"),
}

_ALIKE = 0.05
"""Channels are alike, or opposite, where less than this share of their energy is anything else."""


def mix_down(rows: Samples, names: Sequence[str] = ()) -> Samples:
    """Channels (C, n), with FFmpeg's names for them, to one (n,) in [-1, 1].

    What all channels carry alike stays as it is. Of two, it is the mean; where one is the other
    upside down, which the mean would cancel, it is the first. Surround sound is its centre, plus
    its left and right as in stereo, plus the others 9 dB down: the proportions of ITU-R BS.775; the
    low-frequency channel is left out. Channels of any other kind (microphones, ambisonics) are
    averaged.
    """
    mean: Samples = rows.mean(axis=0)
    if len(rows) == 1:
        return mean
    whole = _energy(rows)
    common = len(rows) * _energy(mean)
    if len(rows) == 2:
        return rows[0] if common < _ALIKE * whole else mean
    names = _UNNAMED.get(len(rows), ()) if "NONE" in names else tuple(names)
    unknown = len(names) != len(rows) or any(n.startswith(_NOT_LOUDSPEAKERS) for n in names)
    if unknown or common > (1 - _ALIKE) * whole:
        return mean
    pair = [k for side in _PAIR for k, name in enumerate(names) if name in side]
    centre = [k for k, name in enumerate(names) if name in _CENTRE]
    around = [k for k, name in enumerate(names) if name not in _LOW.union(_CENTRE, *_PAIR)]
    mixed = rows[centre].sum(axis=0) + np.float32(_AROUND) * rows[around].sum(axis=0)
    if pair:
        mixed += mix_down(rows[pair])
    return np.clip(mixed, -1, 1)


def _energy(rows: Samples) -> float:
    return float(np.square(rows, dtype=np.float64).sum())
