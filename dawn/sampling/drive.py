"""Head pose and eyes over time: from PBNet, kept still, or taken from a real clip.

All are changes from the first frame, (T, 6) and (T, 2): what the diffusion is conditioned on.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.curation.extraction import ExtractConfig, extract_span
from dawn.features.rates import FPS
from dawn.features.video.probe import probe
from dawn.sampling.model import Model
from dawn.sampling.noise import Stream, frame_noise
from dawn.sampling.portrait import POSE_DIM, Portrait
from manifests.errors import InputError
from manifests.reasons import UnreadableVideoError

EYE_DIM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changes from the first frame: pose (T, 6) in degrees, 3DDFA's scale and pixels; eyes (T, 2).

    None stands for what PBNet shall find.
    """

    pose: NDArray[np.float32] | None = None
    eyes: NDArray[np.float32] | None = None


def still(frames: int, values: int) -> NDArray[np.float32]:
    """No change at all, (frames, values)."""
    return np.zeros((frames, values), np.float32)


def changes_from(states: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Changes of measured states (N, D) from their first, (frames, D).

    A measurement that is too short is played back and forth, so that nothing jumps.
    """
    count = len(states)
    period = max(1, 2 * (count - 1))
    place = np.arange(frames) % period
    place = np.where(place < count, place, period - place)
    return (states - states[:1])[place].astype(np.float32, copy=False)


def measure_clip(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pose (N, 6) and eyes (N, 2) of the longest shot of one face in a video's first minute.

    Raises InputError when the file cannot be read or shows no face.
    """
    config = ExtractConfig()
    try:
        info = probe(path, config.limits)
        stop = min(info.frames, config.span_seconds * FPS)
        with tempfile.TemporaryDirectory(prefix="dawn-") as folder:
            clips = extract_span(path, info, 0, stop, config, Path(folder)).clips
    except UnreadableVideoError as error:
        raise InputError(f"{path}: cannot be read as a video: {error.detail}") from error
    if not clips:
        raise InputError(f"{path}: no face was seen for long enough; give a video of one")
    clip = max(clips, key=lambda clip: clip.frames)
    return clip.pose[:, :POSE_DIM], clip.eyes


@torch.inference_mode()
def complete(
    changes: Changes,
    model: Model,
    portrait: Portrait,
    audio: NDArray[np.float32],
    seed: int,
    stream: Stream = "philox",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pose and eye changes, (T, 6) and (T, 2), PBNet's where `changes` has none.

    `audio` (T, A) are features as extracted. PBNet sees the whole voice in one pass; its
    attention is banded (200 frames to each side, as released), so cost grows with T alone.
    """
    pose, eyes = changes.pose, changes.eyes
    if pose is not None and eyes is not None:
        return pose, eyes
    states = np.concatenate((portrait.pose, portrait.eyes))
    for number, (network, conventions) in enumerate(model.pbnets):
        config = network.config
        own = slice(0 if config.pose_dim else POSE_DIM, POSE_DIM + config.eye_dim)
        first = conventions.normalised_states(states)[own]
        # one draw a frame, the same on every device and for every length
        latent = frame_noise(
            seed, "pbnet", range(number, number + 1), range(len(audio)), (config.latent_dim,),
            device=model.device, stream=stream,
        )  # fmt: skip
        heard = torch.from_numpy(conventions.normalised_audio(audio))
        out = network.decoder(
            torch.from_numpy(first)[None].to(model.device),
            heard[None].to(model.device),
            latent.transpose(0, 1),
            config.window,
        )
        found = np.zeros((len(audio), POSE_DIM + EYE_DIM), np.float32)
        found[:, own] = out[0].float().cpu().numpy()
        found = conventions.state_changes(found)
        if config.pose_dim and pose is None:
            pose = found[:, :POSE_DIM]
        if config.eye_dim and eyes is None:
            eyes = found[:, POSE_DIM:]
    if pose is None or eyes is None:
        raise ValueError("the model's PBNets give no pose or no eyes")
    return pose, eyes
