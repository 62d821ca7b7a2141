"""A stage of training, in one object: everything in which the stages differ.

`dawn/training/stages/` has one file a stage; the loop, `dawn train` and the reports know stages
only by what is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, ClassVar, Generic, TypeVar

import yaml
from torch import nn

from dawn.lfg.config import LFGConfig
from dawn.training.config import Training
from dawn.training.objective import Objective
from dawn.training.order import Make
from dawn.training.pictures import Labels, Picture
from dawn.training.states import StateRange
from manifests.config import merged
from manifests.errors import InputError

C = TypeVar("C", bound=Training)
Losses = TypeVar("Losses", bound=Objective)
SOURCES = ("code", "paper")
DURATIONS: Mapping[str, str] = {
    "tiny": "about an hour and a half on two CPU cores",
    "small": "about eight minutes on one H100, or a day on a CPU",
    "128": "days on GPUs",
    "256": "days on GPUs",
}
"""How long `dawn train all` takes with a preset, as `dawn train` says before it starts."""
TIMED = ("lfg", "pbnet", "a2v")
"""The stages that these durations are of; not those that plug-ins add."""
QUICK = ("tiny", "small")
"""Presets that learn in minutes, with losses of ours and their own curriculum."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What samples are standardised by, measured on the dataset."""

    audio_mean: float
    audio_std: float
    states: StateRange


class Stage(ABC, Generic[C, Losses]):
    """One of DAWN's networks and how it is trained."""

    name: ClassVar[str]
    place: ClassVar[int]
    """`dawn train all` trains stages in this order."""
    config: type[C]
    """Its settings; `config().network` are those of its network (see `dawn.checkpoints`)."""
    parts: ClassVar[tuple[str, str] | None] = None
    """The parts of its curriculum, runs of their own: the second begins from the first."""
    needs_lfg: ClassVar[bool] = False
    """Whether it learns from a trained flow generator."""

    # --- settings -----------------------------------------------------------------------------

    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """Changes of the defaults by preset's name, and under `paper` those that follow it."""
        text = files("dawn.training").joinpath("presets", f"{self.name}.yaml")
        found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text.read_text(encoding="utf-8"))
        return found

    def preset(self, name: str, source: str = "code") -> C:
        """The settings under a preset's name, with losses as in the `code` or the `paper`.

        Raises InputError for names that do not exist.
        """
        presets = dict(self.presets())
        paper = presets.pop("paper", {})
        if name not in presets:
            raise InputError(f"--preset {name}: give one of {', '.join(presets)}")
        if source not in SOURCES:
            raise InputError(f"--source {source}: give {' or '.join(SOURCES)}")
        where = f"preset {name} of {self.name}"
        config = merged(self.config(), presets[name], where)
        return config if source == "code" else merged(config, paper, where)

    def fit(self, config: C, audio_dim: int, flow: LFGConfig | None) -> C:  # noqa: ARG002
        """The settings with the network's sizes fitted to the data and the flow generator."""
        return config

    def default_part(self, preset: str) -> str:  # noqa: ARG002
        """Which part of its curriculum a preset trains, or `auto` for both."""
        return "auto"

    def second_part(self, config: C, preset: str) -> C:  # noqa: ARG002
        """The settings of the curriculum's second part, of those of the first."""
        raise ValueError(f"{self.name} has no second part")

    # --- a run --------------------------------------------------------------------------------

    @abstractmethod
    def objective(self, config: C, lfg: nn.Module | None) -> Losses:
        """The network with fresh weights, and its losses; `lfg` where it needs one."""

    @abstractmethod
    def samples(self, config: C, statistics: Statistics) -> Make:
        """What makes a sample of a clip."""

    @abstractmethod
    def picture_size(self, config: C) -> int:
        """Side in pixels of the pictures it reads."""

    @abstractmethod
    def pictures(self, objective: Losses, batch: dict[str, Any]) -> dict[str, Picture]:
        """RGB pictures (H, W, 3) by name of what the network, in eval mode, does with a batch."""

    def picture_labels(self) -> dict[str, Labels]:
        """By the names of `pictures`, what their columns and rows show."""
        return {}

    def own_range(self, config: C) -> bool:  # noqa: ARG002
        """Whether pose and eyes are scaled by the dataset's own statistics."""
        return False

    def weights(self, config: C) -> dict[str, str]:  # noqa: ARG002
        """SHA-256 of the third-party files that its losses use, by name."""
        return {}

    def notes(self, config: C) -> dict[str, Any]:  # noqa: ARG002
        """What else the checkpoint's card tells of its origin."""
        return {}
