"""Sizes of the pose and blink network; presets for its released and tiny forms.

One network predicts pose and eyes jointly (8 values), or two do it apart (6 and 2).
"""

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["transformerreemb5", "transformerreemb6"]

WINDOWS: dict[Architecture, int] = {"transformerreemb5": 200, "transformerreemb6": 100}
"""Frames to each side that the decoder sees at inference; training sees all. Nothing else
distinguishes the two architectures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PBNetConfig:
    """Everything that defines a pose and blink network (DAWN §3.4)."""

    architecture: Architecture = "transformerreemb5"
    pose_dim: int = 6
    eye_dim: int = 2
    audio_dim: int = 1024
    width: int = 64
    latent_dim: int = 256
    feedforward: int = 128
    layers: int = 2
    heads: int = 4
    head_dim: int = 32
    relative_buckets: int = 128
    relative_distance: int = 128
    dropout: float = 0.1
    max_frames: int = 20000

    def __post_init__(self) -> None:
        if min(self.pose_dim, self.eye_dim) < 0 or self.pose_dim + self.eye_dim < 1:
            raise ValueError("pose_dim and eye_dim must not be negative, nor both zero")
        sizes = ("audio_dim", "width", "latent_dim", "feedforward", "layers", "heads", "head_dim")
        for name in (*sizes, "max_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.encoder_width % self.heads or self.encoder_width % 2:
            raise ValueError(
                f"2 * width + latent_dim must be even and a multiple of heads ({self.heads}), "
                f"got {self.encoder_width}"
            )
        if self.rotary_dims % 2:
            raise ValueError(f"min(head_dim, heads) must be even, got {self.rotary_dims}")
        if self.relative_buckets < 4 or self.relative_buckets % 4:
            raise ValueError(
                f"relative_buckets must be a multiple of 4, got {self.relative_buckets}"
            )
        if self.relative_distance <= self.relative_buckets // 4:
            raise ValueError("relative_distance must exceed a quarter of relative_buckets")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in 0 … 1, got {self.dropout}")

    @property
    def state_dim(self) -> int:
        """Values a frame: pose, then eyes."""
        return self.pose_dim + self.eye_dim

    @property
    def encoder_width(self) -> int:
        """Features of an encoder token: first state, change of state, audio."""
        return 2 * self.width + self.latent_dim

    @property
    def rotary_dims(self) -> int:
        """Rotated features of each head. The official code takes the number of heads, not the
        head's width; released weights were trained so.
        """
        return min(self.head_dim, self.heads)

    @property
    def window(self) -> int:
        """Frames to each side that inference attends to."""
        return WINDOWS[self.architecture]


PBNET_POSE = PBNetConfig(eye_dim=0)
PBNET_BLINK = PBNetConfig(pose_dim=0)
PBNET_JOINT = PBNetConfig()
PBNET_TINY = PBNetConfig(audio_dim=32, width=16, latent_dim=32, feedforward=32)
