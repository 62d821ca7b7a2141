"""The settings of a training run: one object a stage, with presets.

Paper and released code differ in places (docs/training.md lists them): `paper` and `code` are
two presets of the same settings, the code's the default.
"""

from dataclasses import dataclass, replace
from typing import Literal

from dawn.a2v.config import A2V_128, A2V_256, A2V_TINY, A2VConfig
from dawn.lfg.config import LFG_128, LFG_256, LFG_TINY, LFGConfig
from dawn.pbnet.config import PBNET_JOINT, PBNET_TINY, PBNetConfig
from manifests.errors import InputError

Stage = Literal["lfg", "pbnet", "a2v"]
STAGES: tuple[Stage, ...] = ("lfg", "pbnet", "a2v")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How long, how fast, how many: what all stages share."""

    seed: int = 0
    steps: int = 1000
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
    warp_affine: float = 0.05
    warp_spline: float = 0.005
    swap_share: float = 0.5
    """Pairs in reversed order; of the others half are mirrored."""
    jitter: float = 0.1

    def __post_init__(self) -> None:
        for name in ("blink_share", "swap_share"):
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


SHORT = Curriculum()
LONG = Curriculum(frames_min=30, frames_max=40, reference="random")


@dataclass(frozen=True, slots=True, kw_only=True)
class A2VTraining:
    """Audio-to-video diffusion (T1, T2, FD1, FD2)."""

    run: RunSettings = RunSettings()
    network: A2VConfig = A2V_128
    clips: Curriculum = SHORT
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

    def __post_init__(self) -> None:
        for name in ("picture_begin", "blink_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 … 1, got {getattr(self, name)}")


Training = LFGTraining | PBNetTraining | A2VTraining

_LFG_RUN = RunSettings(
    steps=400_000, batch=82, lr=4e-4, lr_end=2e-6, beta1=0.5, validate_every=2000, ema=0.0
)
_PBNET_RUN = RunSettings(
    steps=100_000, batch=40, lr=4e-4, lr_end=2e-5, weight_decay=0.01, clip_norm=2.0,
    validate_every=1000,
)  # fmt: skip
_A2V_RUN = RunSettings(
    steps=250_000, batch=20, lr=2e-4, lr_end=1e-6, beta2=0.99, clip_norm=2.0, ema=0.999,
    validate_every=2000,
)  # fmt: skip
_TINY_RUN = RunSettings(
    batch=8, lr=2e-3, lr_end=1e-5, clip_norm=2.0, validate_every=200, validation_clips=8,
    save_every_s=60.0, loader_workers=1, cache_mb=320,
)  # fmt: skip

_LFG = {
    "tiny": LFGTraining(
        run=replace(_TINY_RUN, steps=4000, beta1=0.5),
        network=replace(LFG_TINY, num_regions=10),
        jitter=0.05,
        mouth_weight=20.0,
    ),
    "128": LFGTraining(run=_LFG_RUN),
    "256": LFGTraining(run=replace(_LFG_RUN, batch=20, lr=6e-4), network=LFG_256),
}
_PBNET = {
    "tiny": PBNetTraining(
        run=replace(_TINY_RUN, steps=1200),
        network=replace(PBNET_TINY, dropout=0.0),
        frames=100,
        states="dataset",
        kl_weight=0.3,
        kl_begin=0.0,
        kl_full=0.3,
        gan_weight=0.0,
        spread_weight=0.04,
        blink_weight=1.0,
    ),
    "128": PBNetTraining(run=_PBNET_RUN),
    "256": PBNetTraining(run=_PBNET_RUN),
}
_A2V = {
    "tiny": A2VTraining(
        run=replace(_TINY_RUN, steps=1400, batch=4, ema=0.99),
        network=replace(
            A2V_TINY,
            diffusion=replace(A2V_TINY.diffusion, predicts="motion"),
            unet=replace(A2V_TINY.unet, eye_unit=-0.1),
        ),
        flow_weight=0.0,
        mouth_weight=1.0,
        eyes_weight=1.0,
        picture_weight=10.0,
        picture_begin=0.5,
        blink_share=0.5,
        jitter=0.0,
        clips=Curriculum(frames_min=12, frames_max=12),
    ),
    "128": A2VTraining(run=_A2V_RUN),
    "256": A2VTraining(run=_A2V_RUN, network=A2V_256),
}
PARTS: dict[Stage, tuple[str, str]] = {"lfg": ("faces", "eyes"), "a2v": ("short", "long")}
"""The parts of a curriculum, which are runs of their own: the second begins from the first."""
_TINY_LONG = Curriculum(frames_min=16, frames_max=24, reference="random")


def preset(stage: Stage, name: str, source: str = "code") -> Training:
    """The settings of a stage: `name` is tiny, 128 or 256, `source` is code or paper."""
    tables: dict[Stage, dict[str, Training]]
    tables = {"lfg": {**_LFG}, "pbnet": {**_PBNET}, "a2v": {**_A2V}}
    table = tables[stage]
    if name not in table:
        raise InputError(f"--preset {name}: give one of {', '.join(table)}")
    if source not in ("code", "paper"):
        raise InputError(f"--source {source}: give code or paper")
    chosen = table[name]
    return chosen if source == "code" else _as_in_paper(chosen)


def _as_in_paper(config: Training) -> Training:
    """The paper's losses where it states other ones than the code (A.2)."""
    if isinstance(config, LFGTraining):
        return replace(config, shift_weight=0.0, affine_weight=0.0)
    if isinstance(config, PBNetTraining):
        return replace(config, kl_weight=0.01, kl_begin=0.25, gan_weight=0.6, smooth_weight=0.0)
    return replace(config, flow_weight=0.0, mouth_weight=1.0)


def default_parts(stage: Stage, name: str) -> str:
    """Which parts of its curriculum a preset trains, or `auto` for both.

    The release knows no eyes' part. Tiny networks do not profit from so few long clips.
    """
    if stage == "lfg":
        return "auto" if name == "tiny" else "faces"
    return "short" if name == "tiny" else "auto"


def second_part(config: Training, name: str) -> Training:
    """The settings of a curriculum's second part, of those of the first."""
    if isinstance(config, LFGTraining):
        return for_eyes(config)
    if isinstance(config, A2VTraining):
        return long_clips(config, name)
    raise ValueError(f"{type(config).__name__} has no second part")


def for_eyes(config: LFGTraining) -> LFGTraining:
    """LFG's second part: regions see the eyes, and half of the pairs blink.

    From the first step this would stop a small network from learning how heads move.
    """
    return replace(
        config,
        network=replace(config.network, region_scale=max(0.5, config.network.region_scale)),
        run=replace(config.run, steps=max(1, config.run.steps * 9 // 4)),
        eyes_weight=config.eyes_weight or 30.0,
        openness_weight=config.openness_weight or 2.0,
        blink_share=config.blink_share or 0.5,
    )


def long_clips(config: A2VTraining, name: str) -> A2VTraining:
    """A2V's second part: longer clips of varying length, any reference frame."""
    clips = _TINY_LONG if name == "tiny" else LONG
    steps = max(1, config.run.steps // 2)
    run = replace(
        config.run, steps=steps, batch=max(1, config.run.batch * (1 if name == "tiny" else 2))
    )
    return replace(config, clips=clips, run=run)


def field_names(config: Training) -> list[str]:
    """What `--set` takes, dotted."""
    from manifests.config import as_dict

    def walk(values: dict[str, object], prefix: str) -> list[str]:
        names = []
        for name, value in values.items():
            names += walk(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
        return names

    return walk(as_dict(config), "")
