"""Models of random weights, portraits and voices: speed does not depend on what they show.

Nothing here, nor what it imports, needs more than PyTorch, NumPy, PyAV, OpenCV, PyArrow, SciPy,
safetensors and fsspec.
"""

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dawn.a2v.config import A2V_128, A2V_256, A2V_TINY
from dawn.checkpoints import FORMAT, Card, Config, build, save
from dawn.features.sound.mel import ROW
from dawn.lfg.config import LFG_128, LFG_256, LFG_TINY
from dawn.pbnet.config import PBNET_JOINT, PBNET_TINY
from dawn.sampling.model import Found, Model, ModelFolder, assembled
from dawn.sampling.portrait import Portrait
from dawn.sampling.settings import Precision
from manifests.config import as_dict, stable_hash

SIZES = {
    "tiny": (LFG_TINY, A2V_TINY, PBNET_TINY),
    "128": (LFG_128, A2V_128, PBNET_JOINT),
    "256": (LFG_256, A2V_256, PBNET_JOINT),
}


def networks(size: str) -> dict[str, tuple[Config, nn.Module]]:
    """The settings and networks lfg, a2v and pbnet; all of them hear log-mel features."""
    lfg, a2v, pbnet = SIZES[size]
    a2v = replace(a2v, unet=replace(a2v.unet, audio_dim=ROW))
    torch.manual_seed(0)
    configs = {"lfg": lfg, "a2v": a2v, "pbnet": replace(pbnet, audio_dim=ROW)}
    return {name: (config, build(config)) for name, config in configs.items()}


def write_model(folder: Path, size: str) -> Path:
    """A whole model in the folders lfg, a2v and pbnet."""
    for name, (config, network) in networks(size).items():
        save(folder / name, name, config, network.state_dict(), {"kind": "random"})
    return folder


def random_model(size: str, device: torch.device, dtype: Precision = "float32") -> Model:
    """The same without files."""
    made = networks(size)
    lfg, a2v, pbnet = (_found(name, config) for name, (config, _) in made.items())
    folder = ModelFolder(Path(f"random-{size}"), lfg, a2v, (pbnet,))
    return assembled(folder, [network for _, network in made.values()], device, dtype)


def _found(name: str, config: Config) -> Found:
    """A checkpoint that no file holds."""
    architecture = as_dict(config)
    card = Card(
        format=FORMAT, name=name, stage=name, architecture=architecture,
        architecture_hash=stable_hash(architecture), parameters=0, shapes={}, sha256="random",
        bytes=0, source={"kind": "random"},
    )  # fmt: skip
    return Found(Path(), card, config)


def write_voice(path: Path, seconds: float) -> Path:
    """Noise, 16 kHz."""
    hiss = np.random.default_rng(0).normal(0, 3000, round(seconds * 16000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(hiss.tobytes())
    return path


def invented_portrait(size: int) -> Portrait:
    """Coloured squares with a face's numbers."""
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    return Portrait(
        picture=picture.repeat(size // 8, 0).repeat(size // 8, 1),
        pose=np.array([0, 0, 0, 4.8e-4, 56, 64], np.float32),
        eyes=np.array([0.3, 0.3], np.float32),
        box=np.array([0.2, 0.8, 0.2, 0.9], np.float32),
    )
