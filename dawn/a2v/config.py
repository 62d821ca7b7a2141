"""Sizes of the audio-to-video network and its diffusion; presets for 128 and 256 pixels, tiny.

The released 128- and 256-pixel networks have the same weights' shapes: only the pictures differ.
"""

from dataclasses import dataclass, field
from typing import Literal

MOTION_CHANNELS = 3
"""A latent frame: the sampling grid's x and y, and occlusion scaled to -1 … 1."""

MOTION_UNIT = (0.05, 0.05, 0.5)
"""About the spread of talking heads' motion in each channel; the resting grid taken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetConfig:
    """The 3D U-Net (DAWN §3.3)."""

    dim: int = 64
    dim_mults: tuple[int, ...] = (1, 2, 4, 8)
    image_channels: int = 256
    mask_channels: int = 16
    audio_dim: int = 1024
    pose_dim: int = 6
    eye_dim: int = 2
    eye_unit: float = 1.0
    """In what the eyes' change enters; officially as it is, and a closing eye is then -0.25, of
    which the SiLU in front leaves -0.11. With a small negative unit closing counts upwards."""
    heads: int = 8
    head_dim: int = 32
    groups: int = 8
    relative_buckets: int = 32
    relative_distance: int = 32

    def __post_init__(self) -> None:
        positive = ("dim", "image_channels", "mask_channels", "audio_dim", "pose_dim", "eye_dim")
        for name in (*positive, "heads", "groups"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.eye_unit == 0:
            raise ValueError("eye_unit must not be 0")
        if not self.dim_mults or min(self.dim_mults) < 1:
            raise ValueError(f"dim_mults must be positive factors, got {self.dim_mults}")
        if self.dim < 4 or self.dim % 2 or self.dim % self.groups:
            raise ValueError(
                f"dim must be even, at least 4 and a multiple of groups, got {self.dim}"
            )
        if self.head_dim < 2 or self.head_dim % 2:
            raise ValueError(f"head_dim must be even, got {self.head_dim}")
        if self.relative_buckets < 4 or self.relative_buckets % 4:
            raise ValueError(
                f"relative_buckets must be a multiple of 4, got {self.relative_buckets}"
            )
        if self.relative_distance <= self.relative_buckets // 4:
            raise ValueError("relative_distance must exceed a quarter of relative_buckets")

    @property
    def cond_dim(self) -> int:
        """Features of one frame's condition: audio, pose change, eye change."""
        return self.audio_dim + self.pose_dim + self.eye_dim

    @property
    def feature_channels(self) -> int:
        """Channels of the still condition: source feature and face mask."""
        return self.image_channels + self.mask_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig:
    """The noise schedule and the prediction's thresholding (DAWN §3.3, A.2)."""

    timesteps: int = 1000
    threshold_percentile: float = 0.9
    null_condition_probability: float = 0.1
    predicts: Literal["noise", "motion"] = "noise"
    """What the network's output is: the noise, as released; or the clean motion, as a change of the
    resting grid in units of `MOTION_UNIT`. Lips move the grid by a few hundredths, which hardly
    shows in the noise: small networks learn them in minutes from the motion."""

    def __post_init__(self) -> None:
        if self.timesteps < 2:
            raise ValueError(f"timesteps must be at least 2, got {self.timesteps}")
        for name in ("threshold_percentile", "null_condition_probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in 0 … 1, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class A2VConfig:
    """Everything that defines an audio-to-video model; `window` is in frames to each side."""

    image_size: int = 128
    window: int = 40
    unet: UNetConfig = field(default_factory=UNetConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)

    def __post_init__(self) -> None:
        least = 4 * 2 ** (len(self.unet.dim_mults) - 1)
        if self.image_size < least or self.image_size % least:
            raise ValueError(f"image_size must be a multiple of {least}, got {self.image_size}")
        if self.window < 1:
            raise ValueError(f"window must be at least 1 frame, got {self.window}")

    @property
    def latent_size(self) -> int:
        """Height and width of the latent, a quarter of the picture's."""
        return self.image_size // 4


A2V_128 = A2VConfig(image_size=128)
A2V_256 = A2VConfig(image_size=256)
A2V_TINY = A2VConfig(
    image_size=64,
    window=8,
    unet=UNetConfig(dim=16, dim_mults=(1, 2), image_channels=32, audio_dim=32, heads=2),
)
