"""The settings of generation: everything but seed and inputs that decides what a video shows."""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from dawn.a2v.sampling import SamplerConfig
from dawn.sampling.noise import Stream
from manifests.config import load

Precision = Literal["float32", "bfloat16", "float16"]
Drive = Literal["net", "still", "real"]
"""Where pose or eyes come from: PBNet, kept as in the portrait, or measured on a real clip."""

STREAM_FIRST = 60
"""Frames of a stream's first stretch: with 40 of overlap, 0.8 s of pictures leave at once."""


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
    first_stretch: int | None = None
    """Frames of the first stretch, where the first picture shall come early; those after it double
    up to `stretch`. None: as long as the others."""
    render_frames: int | None = None
    """Frames that are rendered at once. None: 16 on a CPU, what memory allows on a GPU."""
    dtype: Precision = "float32"
    """Of the diffusion network's weights; rendering and PBNet stay in float32."""
    noise: Stream = "philox"
    """Where noise comes from; `blocks` makes videos as they were made before there was a choice."""
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
        first = self.first_stretch
        if first is not None and not self.overlap < first <= self.stretch:
            raise ValueError(
                f"first_stretch must lie in overlap + 1 … stretch ({self.overlap + 1} … "
                f"{self.stretch}), got {first}"
            )
        if self.render_frames is not None and self.render_frames < 1:
            raise ValueError(f"render_frames must be at least 1, got {self.render_frames}")

    @property
    def sampler(self) -> SamplerConfig:
        """As the diffusion's sampler takes it."""
        return SamplerConfig(
            method=self.method, steps=self.steps, eta=self.eta, guidance=self.guidance
        )


def config_of(where: str = "settings", **settings: Any) -> GenerateConfig:  # noqa: ANN401
    """The settings, with an overlap that fits the stretches. Raises InputError, naming `where`."""
    stretch, first = settings.get("stretch"), settings.get("first_stretch")
    most = GenerateConfig().overlap
    if isinstance(stretch, int):
        most = min(most, stretch // 2)
    if isinstance(first, int):
        most = min(most, first * 2 // 3)  # so that a third of the first stretch leaves at once
    settings.setdefault("overlap", max(1, most))
    return load(GenerateConfig, settings, where)


def stream_config(where: str = "settings", **settings: Any) -> GenerateConfig:  # noqa: ANN401
    """The same of a stream: its first stretch is short unless the settings say how long."""
    if settings.get("first_stretch") is None:
        stretch = settings.get("stretch")
        shorter = isinstance(stretch, int) and stretch < STREAM_FIRST
        settings["first_stretch"] = stretch if shorter else STREAM_FIRST
    return config_of(where, **settings)


def precision_on(device: torch.device, asked: str) -> str:
    """The type of the diffusion network's weights; `auto` is bfloat16 on a GPU, else float32.

    On a trained model frames in bfloat16 lie 58 dB or closer to those in float32
    (docs/performance.md).
    """
    if asked != "auto":
        return asked
    return "bfloat16" if device.type == "cuda" else "float32"
