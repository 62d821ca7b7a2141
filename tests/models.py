"""Small models with random weights, saved as training and imports save them."""

from dataclasses import replace
from pathlib import Path

import torch

from dawn.a2v.config import A2V_TINY, A2VConfig
from dawn.checkpoints import Config, build, save
from dawn.features.sound.mel import ROW
from dawn.lfg.config import LFG_TINY
from dawn.pbnet.config import PBNET_TINY

A2V_MEL = replace(A2V_TINY, unet=replace(A2V_TINY.unet, audio_dim=ROW))
PBNET_MEL = replace(PBNET_TINY, audio_dim=ROW)


def write_network(folder: Path, name: str, config: Config, seed: int = 0, **source: object) -> None:
    """One checkpoint of random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(config)
    save(folder, name, config, network.state_dict(), {"kind": "random", **source})


def write_model(
    folder: Path, *, a2v: A2VConfig = A2V_MEL, split_pbnet: bool = False, seed: int = 0
) -> Path:
    """A whole tiny model in the folders lfg, a2v and pbnet, or pose and blink."""
    write_network(folder / "lfg", "lfg", LFG_TINY, seed)
    write_network(folder / "a2v", "a2v", a2v, seed)
    if split_pbnet:
        write_network(folder / "pose", "pbnet_pose", replace(PBNET_MEL, eye_dim=0), seed)
        write_network(folder / "blink", "pbnet_blink", replace(PBNET_MEL, pose_dim=0), seed)
    else:
        write_network(folder / "pbnet", "pbnet", PBNET_MEL, seed)
    return folder
