"""The settings of a training run: one object a stage. Their presets are YAML, in `presets/`.

Paper and released code differ in places (docs/training.md lists them): the defaults are the
code's, the preset file's section `paper` has the paper's.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dawn.a2v.config import A2V_128, A2VConfig
from dawn.lfg.config import LFG_128, LFGConfig
from dawn.pbnet.config import PBNET_JOINT, PBNetConfig
from manifests.config import as_dict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How long, how fast, how many: what all stages share."""

    seed: int = 0
    steps: int = 1000
    planned_s: float = 0.0
    """Seconds that the steps are planned to take on one H100, by which `--minutes` scales their
    number; 0: there is no plan."""
    batch: int = 8
    """Samples of a step over all workers and parts."""
    accumulate: int = 1
    """Parts a step is cut into, one after another, to save memory."""
    lr: float = 1e-3
    lr_end: float = 1e-6
    """The cosine schedule's last value."""
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    """Largest gradient norm; 0: not clipped."""
    ema: float = 0.0
    """Decay of the averaged weights that are validated and handed on; 0: the last weights are."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What the bulk of LFG's and A2V's networks computes in; weights and losses stay float32."""
    tf32: bool = True
    """Whether a GPU may round the factors of float32 products to ten bits, as it does quickly."""
    graph: bool = False
    """Whether a GPU replays a step forward and backward as one graph, where steps are alike; one
    worker's steps, not accumulated. Numbers stay; not yet measured on a card."""
    validate_every: int = 500
    validation_clips: int = 16
    save_every_s: float = 600.0
    keep_best: int = 2
    max_bad_clips: int = 20
    loader_workers: int = 2
    cache_mb: int = 128

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "validate_every", "keep_best"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} is no multiple of accumulate {self.accumulate}")
        if not 0 <= self.lr_end <= self.lr:
            raise ValueError(f"lr_end must lie in 0 … lr ({self.lr}), got {self.lr_end}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must lie in 0 … 1, got {self.ema}")
        if min(self.loader_workers, self.cache_mb, self.max_bad_clips) < 0:
            raise ValueError("loader_workers, cache_mb and max_bad_clips must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class LFGTraining:
    """Latent flow generator (spec of the release: LM, hdtf128.yaml)."""

    run: RunSettings = RunSettings()
    network: LFGConfig = LFG_128
    perceptual: Literal["vgg19", "pyramid"] = "pyramid"
    """`vgg19` needs its weights; `pyramid` (L1 of colours and gradients at four scales) none."""
    perceptual_weight: float = 10.0
    shift_weight: float = 10.0
    affine_weight: float = 10.0
    """Equivariance of regions under a random warp; the paper does not have these two."""
    mouth_weight: float = 0.0
    """Of the L1 inside the mouth's box; ours, with which small networks learn lips in minutes."""
    eyes_weight: float = 0.0
    """The same inside the boxes of both eyes, with which they learn blinks."""
    openness_weight: float = 0.0
    """Of a linear guess at how open the eyes are, from the regions' places and shapes: what these
    do not tell, no motion can show. The guess is of the training alone."""
    blink_share: float = 0.0
    """Pairs of which one frame is drawn from those with closed eyes; others are drawn evenly."""
    still_share: float = 0.0
    """Pairs of a frame with itself: what does not move is to stay as it is in the source."""
    warp_affine: float = 0.05
    warp_spline: float = 0.005
    swap_share: float = 0.5
    """Pairs in reversed order; of the others half are mirrored."""
    jitter: float = 0.1

    def __post_init__(self) -> None:
        for name in ("blink_share", "still_share", "swap_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 … 1, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PBNetTraining:
    """Pose and blink network (CAE, PBL, PBT)."""

    run: RunSettings = RunSettings()
    network: PBNetConfig = PBNET_JOINT
    frames: int = 200
    states: Literal["release", "dataset"] = "release"
    """What maps to 0 and 1: the release's fixed bounds, or the dataset's mean and mean plus one
    standard deviation, with which small networks learn in minutes."""
    kl_weight: float = 0.004
    kl_begin: float = 0.1
    """Share of the steps without the KL term, and …"""
    kl_full: float = 0.8
    """… from which it has its whole weight; rising linearly between."""
    smooth_weight: float = 0.0005
    gan_weight: float = 1.0
    spread_weight: float = 0.0
    """Of terms of ours: motion drawn from the prior is as lively as the truth, and two draws
    differ."""
    blink_weight: float = 0.0
    """With `spread_weight`: of the gap between the quantiles of drawn and true eyes, and of their
    steps, with which drawn eyes blink."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curriculum:
    """One part of A2V's curriculum."""

    frames_min: int = 20
    frames_max: int = 20
    reference: Literal["first", "random"] = "first"
    """The clip's first frame, itself a target; or any frame of the whole clip."""

    def __post_init__(self) -> None:
        if not 1 <= self.frames_min <= self.frames_max:
            raise ValueError(f"frames: {self.frames_min} … {self.frames_max} is no range")


@dataclass(frozen=True, slots=True, kw_only=True)
class A2VTraining:
    """Audio-to-video diffusion (T1, T2, FD1, FD2)."""

    run: RunSettings = RunSettings()
    network: A2VConfig = A2V_128
    clips: Curriculum = Curriculum()
    flow_weight: float = 0.15
    mouth_weight: float = 0.45
    """Of the mouth's mean noise error; the code's 0.15 on a sum over three channels."""
    eyes_weight: float = 0.0
    """Of the eyes' likewise; ours."""
    picture_weight: float = 0.0
    """Of the L1 of some frames rendered from the predicted motion, and of it inside mouth and eyes;
    ours. LFG's own motion of small pictures hardly closes eyes; this finds one that does."""
    picture_begin: float = 0.0
    """Share of the steps without it: it helps a network that moves already, and costs time."""
    blink_share: float = 0.0
    """Windows that are drawn around a blink; others are drawn evenly."""
    jitter: float = 0.25
    checkpoint_blocks: Literal["auto", "none", "attention", "all"] = "auto"
    """Which of the U-Net's blocks keep their inputs alone and compute again for the gradient: less
    memory for more time, the same numbers. `auto`: as few as fit into the GPU; on a CPU none."""

    def __post_init__(self) -> None:
        for name in ("picture_begin", "blink_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 … 1, got {getattr(self, name)}")


class Training(Protocol):
    """The settings of any stage."""

    @property
    def run(self) -> RunSettings:
        """How long, how fast, how many."""

    @property
    def network(self) -> Any:  # noqa: ANN401 - a stage's own
        """What `dawn.checkpoints` builds its network from."""


def field_names(config: Training) -> list[str]:
    """What `--set` takes, dotted."""

    def walk(values: dict[str, object], prefix: str) -> list[str]:
        names = []
        for name, value in values.items():
            names += walk(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
        return names

    return walk(as_dict(config), "")
