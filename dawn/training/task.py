"""What a run is asked to do, and the networks and samples that follow from it."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dawn import checkpoints
from dawn.lfg.blocks import AntiAliasedDownsample
from dawn.lfg.config import LFGConfig
from dawn.training.clips import (
    ClipError,
    ClipFeatures,
    ClipReader,
    ClipTable,
    audio_kind,
    content_of,
    require_clips,
)
from dawn.training.config import Training
from dawn.training.objective import Objective
from dawn.training.order import Make
from dawn.training.stage import Statistics
from dawn.training.stages import stage_named
from dawn.training.state import local_network
from dawn.training.states import RELEASE_RANGE, StateRange
from manifests.config import as_dict, stable_hash
from manifests.errors import InputError
from manifests.location import location
from manifests.store import Dataset

VERSION = 1
"""Part of every run's recipe: raised when a change of the code changes what a run learns."""

_STATISTICS_CLIPS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTask:
    """Everything that decides a run's numbers, and where they go."""

    stage: str
    config: Training
    dataset: str
    dataset_hash: str
    clips: dict[str, Any]
    """What training reads of the dataset; see `clips.content_of`."""
    audio: str
    """Kind of audio features: log_mel or hubert."""
    audio_mean: float
    audio_std: float
    states: StateRange
    """How pose and eyes are scaled for PBNet."""
    lfg: str | None
    """Folder of the latent flow generator's checkpoint; for a2v."""
    lfg_sha256: str | None
    init: str | None
    """Folder of a checkpoint of this stage to begin from: the curriculum's first part."""
    init_sha256: str | None
    weights: dict[str, str]
    """Third-party files that the losses use, with their SHA-256."""
    out: str

    def recipe(self) -> dict[str, Any]:
        """What a resumed run must have in common with the one that began: the content of all that
        decides its numbers, never where it lies.
        """
        return {
            "version": VERSION, "stage": self.stage, "config": as_dict(self.config),
            "dataset_hash": self.dataset_hash, "clips": self.clips, "audio": self.audio,
            "audio_mean": self.audio_mean, "audio_std": self.audio_std,
            "state_low": list(self.states.low), "state_high": list(self.states.high),
            "lfg_sha256": self.lfg_sha256, "init_sha256": self.init_sha256,
            "weights": self.weights,
        }  # fmt: skip

    @property
    def hash(self) -> str:
        """Of the recipe."""
        return stable_hash(self.recipe())

    def source(self, step: int) -> dict[str, Any]:
        """What the checkpoint's card tells of its origin, and what generation needs to know."""
        return {
            "kind": "trained", "stage": self.stage, "step": step, "config_hash": self.hash,
            "dataset_hash": self.dataset_hash, "lfg_sha256": self.lfg_sha256,
            **stage_named(self.stage).notes(self.config),
            "audio": {
                "features": self.audio, "mean": self.audio_mean, "std": self.audio_std,
            },
            "states": {"low": list(self.states.low), "high": list(self.states.high)},
        }  # fmt: skip


def plan(
    stage: str, config: Training, dataset: str, out: str, lfg: str | None, init: str | None
) -> TrainingTask:
    """Fit a configuration to the dataset and the networks it builds on. Paths become absolute:
    the run may work elsewhere.

    Raises InputError when there are no clips, no flow generator, or sizes disagree.
    """
    dataset, out = location(dataset), location(out)
    lfg, init = lfg and location(lfg), init and location(init)
    data = Dataset(dataset)
    info = data.info()
    clips = require_clips(data, "train", 2)
    kind, width = audio_kind(data)
    how = stage_named(stage)
    lfg_sha, flow = _flow_generator(stage, lfg) if how.needs_lfg else (None, None)
    config = how.fit(config, width, flow)
    begin = checkpoints.read_card(local_network(init, stage) / f"{stage}.json") if init else None
    mean, std = (0.0, 1.0) if kind == "hubert" else audio_statistics(dataset, clips)
    return TrainingTask(
        stage=stage, config=config, dataset=dataset, audio=kind, audio_mean=mean, audio_std=std,
        states=state_range(dataset, clips) if how.own_range(config) else RELEASE_RANGE,
        dataset_hash=str(info["recipe_hash"]), clips=content_of(data), lfg=lfg, lfg_sha256=lfg_sha,
        init=init, init_sha256=begin.sha256 if begin else None, weights=how.weights(config),
        out=out,
    )  # fmt: skip


def _flow_generator(stage: str, lfg: str | None) -> tuple[str, LFGConfig]:
    """The digest and the settings of the flow generator that a stage learns from."""
    if lfg is None:
        raise InputError(
            f"dawn train {stage} needs a trained flow generator; give --lfg RUN/model/lfg"
        )
    card = checkpoints.read_card(local_network(lfg, "lfg") / "lfg.json")
    flow = checkpoints.config_of(card, Path(lfg))
    if not isinstance(flow, LFGConfig):
        raise InputError(f"{lfg}: holds a {card.stage} network, not lfg; give another --lfg")
    return card.sha256, flow


def audio_statistics(dataset: str, clips: ClipTable) -> tuple[float, float]:
    """Mean and standard deviation of the audio features of some clips, for standardising."""
    values = np.concatenate([features.audio.ravel() for features in _some(dataset, clips)])
    return round(float(values.mean()), 4), round(max(float(values.std()), 1e-3), 4)


def state_range(dataset: str, clips: ClipTable) -> StateRange:
    """Mean, and mean plus one standard deviation within a clip, of pose and eyes."""
    states = [np.concatenate((f.pose, f.eyes), axis=1) for f in _some(dataset, clips)]
    low = np.concatenate(states).mean(axis=0)
    spread = np.sqrt(np.mean([part.var(axis=0) for part in states], axis=0))
    high = low + np.maximum(spread, 1e-7)
    return StateRange(tuple(map(float, low)), tuple(map(float, high)))


def _some(dataset: str, clips: ClipTable) -> list[ClipFeatures]:
    """The features of clips spread over the dataset."""
    reader = ClipReader(dataset, 8)
    chosen = np.linspace(0, len(clips) - 1, min(len(clips), _STATISTICS_CLIPS)).astype(int)
    found = []
    for number in sorted(set(chosen.tolist())):
        with contextlib.suppress(ClipError):  # named and counted when training meets it
            found.append(reader.features(clips[number]))
    if not found:
        raise InputError(f"{dataset}: no features can be read; run `dawn dataset validate`")
    return found


def objective_of(task: TrainingTask) -> Objective:
    """The network with fresh (or the given first) weights, and its losses."""
    how = stage_named(task.stage)
    torch.manual_seed(task.config.run.seed)
    lfg = None
    if how.needs_lfg:
        lfg = checkpoints.load_network(local_network(str(task.lfg), "lfg"), "lfg")[0]
    objective: Objective = how.objective(task.config, lfg)
    if task.init is not None:
        folder = local_network(task.init, task.stage)
        begin_from(objective.network, checkpoints.load_network(folder, task.stage)[0], task.init)
    return objective


def begin_from(network: nn.Module, first: nn.Module, name: str) -> None:
    """Take over the weights of `first`, called `name`. Raises InputError where they do not fit.

    Fixed filters stay the network's own: they follow from its settings, as `region_scale`.
    """
    learned = {k: v for k, v in first.state_dict().items() if k not in fixed_filters(first)}
    try:
        network.load_state_dict(learned | fixed_filters(network), strict=True)
    except RuntimeError as error:
        raise InputError(
            f"{name}: its weights do not fit these settings; give the --preset and --set network.… "
            "that it was trained with"
        ) from error


def fixed_filters(network: nn.Module) -> dict[str, Tensor]:
    """The state of a network that settings determine and training does not change."""
    return {
        f"{path}.weight": module.weight
        for path, module in network.named_modules()
        if isinstance(module, AntiAliasedDownsample)
    }


def sample_maker(task: TrainingTask) -> Make:
    """What makes a sample of a clip for this stage."""
    statistics = Statistics(task.audio_mean, task.audio_std, task.states)
    return stage_named(task.stage).samples(task.config, statistics)
