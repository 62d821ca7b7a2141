"""Networks that are as small as the architectures allow: for tests of what surrounds them."""

from dawn.a2v.config import A2VConfig, UNetConfig
from dawn.lfg.config import HourglassConfig, LFGConfig

_HOURGLASS = HourglassConfig(block_expansion=4, max_features=8, num_blocks=2)
SMALL_LFG = LFGConfig(
    image_size=32, num_regions=2, regions=_HOURGLASS, background=_HOURGLASS, flow=_HOURGLASS,
    block_expansion=4, max_features=8, num_bottleneck_blocks=1,
)  # fmt: skip
SMALL_A2V = A2VConfig(
    image_size=32, window=4,
    unet=UNetConfig(
        dim=8, dim_mults=(1,), image_channels=8, mask_channels=4, heads=2, head_dim=8, groups=4
    ),
)  # fmt: skip
