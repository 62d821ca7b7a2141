"""Sizes of the latent flow generator; presets for 128 and 256 pixels and a tiny one.

The network is fully convolutional: 128 and 256 pixels share the shapes of all weights.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class HourglassConfig:
    """A U-shaped stack: level i has min(max_features, block_expansion * 2^i) channels."""

    block_expansion: int
    max_features: int
    num_blocks: int

    def __post_init__(self) -> None:
        for name in ("block_expansion", "max_features", "num_blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def width(self, level: int) -> int:
        """Channels at `level`."""
        return min(self.max_features, self.block_expansion << level)


@dataclass(frozen=True, slots=True, kw_only=True)
class LFGConfig:
    """Everything that defines a latent flow generator (DAWN §3.2, after MRAA)."""

    image_size: int = 128
    image_channels: int = 3
    num_regions: int = 10
    temperature: float = 0.1
    region_scale: float = 0.25
    flow_scale: float = 0.25
    regions: HourglassConfig = field(
        default_factory=lambda: HourglassConfig(block_expansion=32, max_features=1024, num_blocks=5)
    )
    background: HourglassConfig = field(
        default_factory=lambda: HourglassConfig(block_expansion=32, max_features=1024, num_blocks=5)
    )
    flow: HourglassConfig = field(
        default_factory=lambda: HourglassConfig(block_expansion=64, max_features=1024, num_blocks=5)
    )
    block_expansion: int = 64
    max_features: int = 512
    num_down_blocks: int = 2
    num_bottleneck_blocks: int = 6

    def __post_init__(self) -> None:
        counts = ("image_channels", "num_regions", "block_expansion", "max_features")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_down_blocks < 0 or self.num_bottleneck_blocks < 0:
            raise ValueError("num_down_blocks and num_bottleneck_blocks must not be negative")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        for name in ("region_scale", "flow_scale"):
            scale = getattr(self, name)
            if not 0 < scale <= 1 or not (1 / scale).is_integer():
                raise ValueError(f"{name} must be 1, 1/2, 1/3 …, got {scale}")
        for name, scale in (("regions", self.region_scale), ("flow", self.flow_scale)):
            least = round(2 ** getattr(self, name).num_blocks / scale)
            if self.image_size < least or self.image_size % least:
                raise ValueError(
                    f"image_size must be a multiple of {least} for the {name} hourglass, "
                    f"got {self.image_size}"
                )

    def width(self, level: int) -> int:
        """The generator's channels after `level` halvings."""
        return min(self.max_features, self.block_expansion << level)


_TINY = HourglassConfig(block_expansion=8, max_features=32, num_blocks=3)
LFG_128 = LFGConfig(image_size=128)
LFG_256 = LFGConfig(image_size=256)
LFG_TINY = LFGConfig(
    image_size=64,
    num_regions=5,
    regions=_TINY,
    background=_TINY,
    flow=_TINY,
    block_expansion=8,
    max_features=32,
    num_bottleneck_blocks=2,
)
