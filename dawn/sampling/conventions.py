"""What a checkpoint's numbers mean: audio features and normalisation, as its card says.

Training writes these into the card's `source`. Imported official checkpoints say nothing, so the
official conventions hold: HuBERT as it is, and pose scaled by fixed bounds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.checkpoints import Card
from dawn.features.sound.mel import ROW
from dawn.sampling.voice import AudioKind
from manifests.errors import InputError

HUBERT_DIM = 1024

STATE_LOW = (-90.0, -90.0, -90.0, 0.0, 0.0, 0.0, 0.0, 0.0)
STATE_HIGH = (90.0, 90.0, 90.0, 1.0, 720.0, 1080.0, 1.0, 1.0)
"""What the official PBNet maps to 0 … 1: degrees, scale, pixels. Eyes stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """How a network takes audio, pose and eyes."""

    audio: AudioKind
    audio_mean: float = 0.0
    audio_std: float = 1.0
    state_low: tuple[float, ...] = STATE_LOW
    state_high: tuple[float, ...] = STATE_HIGH

    def normalised_audio(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Audio features (T, A) as the network takes them."""
        scaled: NDArray[np.float32] = (features - self.audio_mean) / self.audio_std
        return scaled.astype(np.float32, copy=False)

    def normalised_states(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pose and eyes (…, 8) as PBNet takes them."""
        low, high = np.array(self.state_low), np.array(self.state_high)
        return np.asarray((states - low) / (high - low), np.float32)

    def state_changes(self, changes: NDArray[np.float32]) -> NDArray[np.float32]:
        """PBNet's changes of pose and eyes (…, 8) in degrees, 3DDFA's scale, pixels, eye ratios."""
        low, high = np.array(self.state_low), np.array(self.state_high)
        return np.asarray(changes * (high - low), np.float32)


def conventions_of(card: Card) -> Conventions:
    """The conventions of a checkpoint. Raises InputError when its card's make no sense."""
    architecture = card.architecture
    width = architecture.get("unet", architecture)["audio_dim"]
    audio, states = _part(card, "audio"), _part(card, "states")
    kind = audio.get("features") or _kind_of_width(card.name, width)
    if kind not in ("log_mel", "hubert"):
        raise InputError(f"{card.name}: was trained on unknown audio features {kind!r}")
    if width != {"log_mel": ROW, "hubert": HUBERT_DIM}[kind]:
        raise InputError(f"{card.name}: takes {width} audio features, {kind} has another number")
    (mean,) = _numbers(card, "audio.mean", [audio.get("mean", 0.0)], 1)
    (std,) = _numbers(card, "audio.std", [audio.get("std", 1.0)], 1)
    low = _numbers(card, "states.low", states.get("low", STATE_LOW), len(STATE_LOW))
    high = _numbers(card, "states.high", states.get("high", STATE_HIGH), len(STATE_HIGH))
    if std <= 0 or any(a >= b for a, b in zip(low, high, strict=True)):
        raise InputError(f"{card.name}: its card's audio.std or states.low and high are no scale")
    return Conventions(audio=kind, audio_mean=mean, audio_std=std, state_low=low, state_high=high)


def _kind_of_width(name: str, width: int) -> AudioKind:
    if width == HUBERT_DIM:
        return "hubert"
    if width == ROW:
        return "log_mel"
    raise InputError(
        f"{name}: takes {width} audio features and does not say which; known are log-mel ({ROW}) "
        f"and HuBERT ({HUBERT_DIM})"
    )


def _part(card: Card, name: str) -> dict[str, Any]:
    part = card.source.get(name, {})
    if not isinstance(part, dict):
        raise InputError(f"{card.name}: its card's {name} is {part!r}, not settings")
    return part


def _numbers(card: Card, name: str, values: Any, count: int) -> tuple[float, ...]:  # noqa: ANN401
    """So many finite numbers from a card."""
    good = isinstance(values, list | tuple) and len(values) == count
    if not good or not all(
        isinstance(x, int | float) and not isinstance(x, bool) and np.isfinite(x) for x in values
    ):
        raise InputError(f"{card.name}: its card's {name} is {values!r}, not {count} numbers")
    return tuple(map(float, values))
