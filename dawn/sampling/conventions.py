"""What a checkpoint's numbers mean: audio features and normalisation, as its card says.

Training writes these into the card's `source`. Imported official checkpoints say nothing, so the
official conventions hold: HuBERT as it is, and pose scaled by fixed bounds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.checkpoints import Card
from dawn.features.mel import ROW
from dawn.sampling.voice import AudioKind
from manifests.errors import InputError

HUBERT_DIM = 1024

POSE_LOW = (-90.0, -90.0, -90.0, 0.0, 0.0, 0.0)
POSE_HIGH = (90.0, 90.0, 90.0, 1.0, 720.0, 1080.0)
"""Degrees, scale and pixels that the official PBNet maps to 0 … 1. Eyes stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """How a network takes audio and pose."""

    audio: AudioKind
    audio_mean: float = 0.0
    audio_std: float = 1.0
    pose_low: tuple[float, ...] = POSE_LOW
    pose_high: tuple[float, ...] = POSE_HIGH

    def normalised_audio(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Audio features (T, A) as the network takes them."""
        scaled: NDArray[np.float32] = (features - self.audio_mean) / self.audio_std
        return scaled.astype(np.float32, copy=False)

    def normalised_pose(self, pose: NDArray[np.float32]) -> NDArray[np.float32]:
        """A pose (6,) as PBNet takes it."""
        low, high = np.float32(self.pose_low), np.float32(self.pose_high)
        return np.asarray((pose - low) / (high - low), np.float32)

    def pose_change(self, change: NDArray[np.float32]) -> NDArray[np.float32]:
        """Changes of pose (T, 6) that PBNet gave, in degrees, scale and pixels."""
        return np.asarray(
            change * (np.float32(self.pose_high) - np.float32(self.pose_low)), np.float32
        )


def conventions_of(card: Card) -> Conventions:
    """The conventions of a checkpoint. Raises InputError when its card's make no sense."""
    width = card.architecture.get("audio_dim") or card.architecture["unet"]["audio_dim"]
    source = card.source
    kind = source.get("audio_features") or _kind_of_width(card.name, width)
    if kind not in ("log_mel", "hubert"):
        raise InputError(f"{card.name}: was trained on unknown audio features {kind!r}")
    if width != {"log_mel": ROW, "hubert": HUBERT_DIM}[kind]:
        raise InputError(f"{card.name}: takes {width} audio features, {kind} has another number")
    mean, std = _number(card, "audio_mean", 0.0), _number(card, "audio_std", 1.0)
    if std <= 0:
        raise InputError(f"{card.name}: its card's audio_std is {std}, not positive")
    low, high = source.get("pose_low", POSE_LOW), source.get("pose_high", POSE_HIGH)
    if not _six(low) or not _six(high) or any(a >= b for a, b in zip(low, high, strict=True)):
        raise InputError(f"{card.name}: its card's pose_low and pose_high are no six bounds")
    return Conventions(
        audio=kind, audio_mean=mean, audio_std=std, pose_low=tuple(low), pose_high=tuple(high)
    )


def _kind_of_width(name: str, width: int) -> AudioKind:
    if width == HUBERT_DIM:
        return "hubert"
    if width == ROW:
        return "log_mel"
    raise InputError(
        f"{name}: takes {width} audio features and does not say which; known are log-mel ({ROW}) "
        f"and HuBERT ({HUBERT_DIM})"
    )


def _number(card: Card, key: str, default: float) -> float:
    value = card.source.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
        raise InputError(f"{card.name}: its card's {key} is {value!r}, not a number")
    return float(value)


def _six(value: Any) -> bool:  # noqa: ANN401 - from JSON
    return (
        isinstance(value, list | tuple)
        and len(value) == 6
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    )
