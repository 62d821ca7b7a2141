"""The settings of generation: everything but seed and inputs that decides what a video shows."""

from dataclasses import dataclass
from typing import Any, Literal

from dawn.a2v.sampling import SamplerConfig
from dawn.sampling.noise import Stream
from manifests.config import load

Precision = Literal["float32", "bfloat16", "float16"]
Drive = Literal["net", "still", "real"]
"""Where pose or eyes come from: PBNet, kept as in the portrait, or measured on a real clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateConfig:
    """How videos are made. The defaults are the released inference settings (DAWN §4.1)."""

    method: Literal["ddim-official", "ddim"] = "ddim-official"
    steps: int = 20
    guidance: float = 1.0
    eta: float = 1.0
    window: int | None = None
    """Frames to each side that attention sees; None: what the checkpoint says (40)."""
    stretch: int = 240
    """Frames that are denoised at once. Memory grows with it, not with the length of the audio."""
    overlap: int = 40
    """Frames in which a stretch passes over into the next."""
    render_frames: int = 16
    """Frames that are rendered at once."""
    dtype: Precision = "float32"
    """Of the diffusion network's weights; rendering and PBNet stay in float32."""
    noise: Stream = "philox"
    """Where noise comes from; `blocks` makes the videos that releases before 0.2 made."""
    pose: Drive = "net"
    blink: Drive = "net"

    def __post_init__(self) -> None:
        # these two are the sampler's own rules
        SamplerConfig(method=self.method, steps=self.steps, eta=self.eta, guidance=self.guidance)
        if self.steps > 999:
            raise ValueError(f"steps must be at most 999, got {self.steps}")
        if not 0.0 <= self.guidance <= 100.0:
            raise ValueError(f"guidance must lie in 0 … 100, got {self.guidance}")
        if self.window is not None and self.window < 1:
            raise ValueError(f"window must be at least 1 frame, got {self.window}")
        if not 1 <= self.overlap <= self.stretch // 2:
            raise ValueError(
                f"overlap must lie in 1 … stretch / 2 ({self.stretch // 2}), got {self.overlap}"
            )
        if self.render_frames < 1:
            raise ValueError(f"render_frames must be at least 1, got {self.render_frames}")

    @property
    def sampler(self) -> SamplerConfig:
        """As the diffusion's sampler takes it."""
        return SamplerConfig(
            method=self.method, steps=self.steps, eta=self.eta, guidance=self.guidance
        )


def config_of(where: str = "settings", **settings: Any) -> GenerateConfig:  # noqa: ANN401
    """The settings, with an overlap that fits the stretch. Raises InputError, naming `where`."""
    stretch = settings.get("stretch")
    if isinstance(stretch, int):
        settings.setdefault("overlap", max(1, min(GenerateConfig().overlap, stretch // 2)))
    return load(GenerateConfig, settings, where)
