"""The three networks of a model folder, checked to fit together, ready to generate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from dawn.a2v.config import A2VConfig
from dawn.a2v.model import A2V
from dawn.checkpoints import Card, config_of, load_network, places, read_card, verify
from dawn.layout import channels_last
from dawn.lfg.config import LFGConfig
from dawn.lfg.model import LFG
from dawn.pbnet.config import PBNetConfig
from dawn.pbnet.model import PBNet
from dawn.sampling.conventions import Conventions, conventions_of
from dawn.sampling.settings import Precision
from manifests.config import stable_hash
from manifests.errors import InputError
from manifests.file_names import is_hidden

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Found:
    """One checkpoint of a model folder."""

    folder: Path
    card: Card
    config: LFGConfig | A2VConfig | PBNetConfig


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The checkpoints of a model, found and checked, not yet loaded."""

    path: Path
    lfg: Found
    a2v: Found
    pbnets: tuple[Found, ...]
    """One for pose and eyes, or one each."""

    @property
    def size(self) -> int:
        """Width and height of what it renders."""
        return cast("A2VConfig", self.a2v.config).image_size

    @property
    def window(self) -> int:
        """Frames to each side that it attends to, unless told otherwise."""
        return cast("A2VConfig", self.a2v.config).window

    @property
    def all(self) -> tuple[Found, ...]:
        """Every checkpoint: LFG, A2V, PBNets."""
        return (self.lfg, self.a2v, *self.pbnets)

    @property
    def networks(self) -> dict[str, str]:
        """Name of each checkpoint -> SHA-256 of its weights."""
        return {one.card.name: one.card.sha256 for one in self.all}

    @property
    def digest(self) -> str:
        """Hash of all its weights: what `generations` records as the checkpoint."""
        return stable_hash(sorted([one.card.stage, one.card.sha256] for one in self.all))


@dataclass(frozen=True, slots=True)
class Model:
    """Networks in eval mode on one device."""

    folder: ModelFolder
    lfg: LFG
    a2v: A2V
    pbnets: tuple[tuple[PBNet, Conventions], ...]
    conventions: Conventions
    """Of the audio-to-video network's conditions."""
    device: torch.device


def find_model(path: Path) -> ModelFolder:
    """The checkpoints of a model folder: beside each other, or in the folders lfg, a2v and pbnet
    (or pose and blink).

    Raises InputError when one is missing, is there twice, or does not fit the others.
    """
    model = ModelFolder(path, *_only(path, _found(path)))
    _check_fit(model)
    return model


def _found(path: Path) -> list[Found]:
    """Every checkpoint of a model folder."""
    found = []
    for folder in places(path):
        for weights in sorted(folder.glob("*.safetensors")):
            if is_hidden(weights.name):
                continue
            card_path = weights.with_suffix(".json")
            card = read_card(card_path)
            found.append(Found(folder, card, config_of(card, card_path)))
    return found


def find_lfg(path: Path) -> Found:
    """The latent flow generator of a model folder, whatever else is there; see `find_model`."""
    found = [one for one in _found(path) if one.card.stage == "lfg"]
    if len(found) != 1:
        raise InputError(f"{path}: holds {len(found)} checkpoints of lfg, one is needed")
    return found[0]


def load_lfg(found: Found, device: torch.device) -> LFG:
    """The network of `find_lfg`, in eval mode."""
    network, _ = load_network(found.folder, found.card.name)
    return cast("LFG", network.requires_grad_(False).to(device))


def load_model(folder: ModelFolder, device: torch.device, dtype: Precision) -> Model:
    """Load the networks. Raises InputError for damaged files or a device that is not there."""
    networks = [load_network(found.folder, found.card.name)[0] for found in folder.all]
    return assembled(folder, networks, device, dtype)


def assembled(
    folder: ModelFolder, networks: Sequence[nn.Module], device: torch.device, dtype: Precision
) -> Model:
    """The model of networks that are in memory, in the order of `folder.all`."""
    lfg, a2v, *pbnets = (one.eval().requires_grad_(False).to(device) for one in networks)
    a2v = cast("A2V", a2v)
    # The schedule's tables and the face mask keep their precision: only the U-Net is narrowed.
    a2v.diffusion.denoise_fn.to(_DTYPES[dtype])
    if device.type == "cuda":
        channels_last(a2v.diffusion.denoise_fn)
    pairs = zip(pbnets, folder.pbnets, strict=True)
    return Model(
        folder=folder,
        lfg=cast("LFG", lfg),
        a2v=a2v,
        pbnets=tuple((cast("PBNet", one), conventions_of(found.card)) for one, found in pairs),
        conventions=conventions_of(folder.a2v.card),
        device=device,
    )


def verify_model(folder: ModelFolder) -> None:
    """Hold every file against its card, once, before workers load them."""
    for found in folder.all:
        verify(found.folder, found.card)


def _only(path: Path, found: list[Found]) -> tuple[Found, Found, tuple[Found, ...]]:
    """One LFG, one A2V, and PBNets that give pose and eyes once each."""
    stages = [one.card.stage for one in found]
    for one in found:
        expected = {"pose": "pbnet", "blink": "pbnet"}.get(one.folder.name, one.folder.name)
        if one.folder != path and one.card.stage != expected:
            raise InputError(
                f"{one.folder}: holds a checkpoint of stage {one.card.stage}, not {expected}; "
                "put each stage into its own folder"
            )
    missing = [stage for stage in ("lfg", "pbnet", "a2v") if stage not in stages]
    if missing:
        there = f"it holds only {', '.join(sorted(set(stages)))}" if stages else "it holds none"
        raise InputError(
            f"{path}: holds no checkpoint of {', '.join(missing)} ({there}); name a folder with "
            "lfg, pbnet and a2v, as `dawn train all` and `dawn checkpoint import` make it"
        )
    for stage in ("lfg", "a2v"):
        if stages.count(stage) > 1:
            raise InputError(
                f"{path}: holds {stages.count(stage)} checkpoints of {stage}; keep one"
            )
    pbnets = tuple(one for one in found if one.card.stage == "pbnet")
    configs = [cast("PBNetConfig", one.config) for one in pbnets]
    sums = (sum(c.pose_dim for c in configs), sum(c.eye_dim for c in configs))
    if sums != (6, 2):
        names = ", ".join(one.card.name for one in pbnets)
        raise InputError(
            f"{path}: its PBNets ({names}) give {sums[0]} pose and {sums[1]} eye values, not 6 and "
            "2; keep one joint network, or one for pose and one for blinks"
        )
    (lfg,) = (one for one in found if one.card.stage == "lfg")
    (a2v,) = (one for one in found if one.card.stage == "a2v")
    return lfg, a2v, pbnets


def _check_fit(model: ModelFolder) -> None:
    """Raise InputError where the stages were not made for each other."""
    lfg = cast("LFGConfig", model.lfg.config)
    a2v = cast("A2VConfig", model.a2v.config)
    if lfg.image_size != a2v.image_size:
        raise InputError(
            f"{model.path}: lfg is for {lfg.image_size} pixels, a2v for {a2v.image_size}; "
            "use checkpoints of one resolution"
        )
    channels = lfg.width(lfg.num_down_blocks)
    if channels != a2v.unet.image_channels:
        raise InputError(
            f"{model.path}: lfg gives {channels} feature channels, a2v takes "
            f"{a2v.unet.image_channels}; use checkpoints that were trained together"
        )
    for found in model.pbnets:
        audio = cast("PBNetConfig", found.config).audio_dim
        if audio != a2v.unet.audio_dim:
            raise InputError(
                f"{model.path}: pbnet hears {audio} audio features, a2v {a2v.unet.audio_dim}; "
                "use checkpoints that were trained on the same features"
            )
    kinds = {conventions_of(one.card).audio for one in (model.a2v, *model.pbnets)}
    if len(kinds) > 1:
        raise InputError(
            f"{model.path}: its stages were trained on different audio features "
            f"({', '.join(sorted(kinds))}); use checkpoints that were trained together"
        )
