"""Import of the official release's checkpoints (`.pth`, `.pth.tar`).

Files are read with `weights_only=True` and nothing else: one that needs Python objects is
refused. What each file is, is told by its keys; the released 128- and 256-pixel networks differ
in no shape, so their picture size comes from the caller.
"""

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import yaml
from torch import Tensor

from dawn.a2v.config import A2V_128, A2V_256, A2V_TINY, A2VConfig
from dawn.a2v.diffusion import GaussianDiffusion
from dawn.a2v.face_mask import FaceMaskEncoder
from dawn.checkpoints import Card, Config, check_state, read_card, save, sha256_of
from dawn.lfg.config import LFG_128, LFG_256, LFG_TINY, LFGConfig
from dawn.lfg.generator import Generator
from dawn.lfg.regions import BackgroundMotion, RegionPredictor
from dawn.pbnet.config import PBNET_JOINT, PBNET_TINY, WINDOWS, Architecture, PBNetConfig
from manifests.errors import InputError

Size = Literal["128", "256", "tiny"]

LFG_SIZES: dict[Size, LFGConfig] = {"128": LFG_128, "256": LFG_256, "tiny": LFG_TINY}
A2V_SIZES: dict[Size, A2VConfig] = {"128": A2V_128, "256": A2V_256, "tiny": A2V_TINY}
PBNET_NAMES = {(6, 0): "pbnet_pose", (0, 2): "pbnet_blink", (6, 2): "pbnet_joint"}


class Part(NamedTuple):
    """One network found in a file: where to save it, its sizes, weights and remarks."""

    name: str
    config: Config
    state: dict[str, Any]
    remarks: dict[str, Any]


def import_file(
    path: Path, directory: Path, *, size: Size | None = None, face_mask_seed: int | None = None
) -> Card:
    """Convert one official file into `directory`; returns the card it wrote.

    `size` may be left out where the file's name says 128 or 256, and for PBNet. The official
    audio-to-video file lacks its face-mask encoder: `face_mask_seed` reconstructs it as a run
    seeded so would have made it, None leaves zeros. Raises InputError for anything unusable.
    """
    checkpoint = read_pickle(path)
    part = recognise(checkpoint, path, size)
    if isinstance(part.config, A2VConfig):
        part = with_face_mask_encoder(part, part.config, face_mask_seed)
    check_state(part.state, part.config, str(path))
    source = {"kind": "official", "file": path.name, "sha256": sha256_of(path), **part.remarks}
    refuse_other(directory / f"{part.name}.json", source["sha256"])
    state = {key: widen(value) for key, value in part.state.items()}
    return save(directory, part.name, part.config, state, source)


def refuse_other(card_path: Path, sha256: str) -> None:
    """Raise InputError if the card is there and came from another file."""
    if card_path.is_file() and (there := read_card(card_path)).source.get("sha256") != sha256:
        raise InputError(
            f"{card_path}: is already there, from {there.source.get('file', 'elsewhere')}; "
            "import into another folder or delete it first"
        )


def read_pickle(path: Path) -> Mapping[str, Any]:
    """The dictionary in a PyTorch file; InputError unless it holds tensors and plain data only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickles; the errors below say enough
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds Python objects, which could run code when loaded, or is no PyTorch "
            "checkpoint; if you trust its origin, load it in a throw-away environment, save a "
            "dictionary of its tensors only with torch.save, and import that file"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: is not a PyTorch checkpoint, or is damaged ({reason}); download it again"
        ) from error
    if not isinstance(checkpoint, Mapping):
        kind = type(checkpoint).__name__
        raise InputError(f"{path}: holds a {kind}, not a dictionary; name an official checkpoint")
    return checkpoint


def recognise(checkpoint: Mapping[str, Any], path: Path, size: Size | None) -> Part:
    """Which network the file holds, by its keys."""
    lfg_parts = ("generator", "region_predictor", "bg_predictor")
    if all(isinstance(checkpoint.get(part), Mapping) for part in lfg_parts):
        state = {
            f"{part}.{key}": value for part in lfg_parts for key, value in checkpoint[part].items()
        }
        return Part("lfg", LFG_SIZES[size or size_from_name(path)], state, {})
    if isinstance(checkpoint.get("diffusion"), Mapping):
        state = {f"diffusion.{key}": value for key, value in checkpoint["diffusion"].items()}
        return Part("a2v", A2V_SIZES[size or size_from_name(path)], state, {})
    if any(str(key).startswith("decoder.") for key in checkpoint):
        return recognise_pbnet(dict(checkpoint), path, size)
    keys = ", ".join(sorted(map(str, checkpoint))[:5]) or "none"
    raise InputError(
        f"{path}: is no official checkpoint: expected generator, region_predictor and "
        f"bg_predictor, or diffusion, or encoder.… and decoder.…; its keys are {keys}"
    )


def size_from_name(path: Path) -> Size:
    """The picture size that an official file name tells, such as `DAWN_256.pth`."""
    found: list[Size] = [size for size in ("128", "256") if size in path.name]
    if len(found) != 1:
        raise InputError(
            f"{path}: its name does not say whether it is for 128 or 256 pixels, and its weights "
            "cannot; give --size"
        )
    return found[0]


def recognise_pbnet(state: dict[str, Any], path: Path, size: Size | None) -> Part:
    """The variant by the width of its states; the architecture from `opt.yaml` beside the file."""
    weight = state.get("decoder.finallayer.weight")
    values = weight.shape[0] if isinstance(weight, Tensor) and weight.ndim == 2 else None
    dims = {sum(dims): dims for dims in PBNET_NAMES}.get(values or 0)
    if dims is None:
        raise InputError(
            f"{path}: predicts {values} values a frame; known are 6 (pose), 2 (eyes), 8 (both)"
        )
    architecture, origin = architecture_beside(path)
    preset = PBNET_TINY if size == "tiny" else PBNET_JOINT
    config = replace(preset, architecture=architecture, pose_dim=dims[0], eye_dim=dims[1])
    return Part(PBNET_NAMES[dims], config, state, {"architecture_from": origin})


def architecture_beside(path: Path) -> tuple[Architecture, str]:
    """The architecture named by `archiname` in `opt.yaml`, or the released one without it.

    No weight tells the architectures apart, so the card records which it was.
    """
    options = path.parent / "opt.yaml"
    if not options.is_file():
        return PBNetConfig().architecture, "assumed: the released one, no opt.yaml beside the file"
    try:
        values = yaml.safe_load(options.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{options}: cannot be read as plain YAML: {reason}") from error
    name = values.get("archiname") if isinstance(values, dict) else None
    for known in WINDOWS:
        if name == known:
            return known, "opt.yaml"
    raise InputError(
        f"{options}: archiname is {name!r}; only {' and '.join(WINDOWS)} can be imported"
    )


def with_face_mask_encoder(part: Part, config: A2VConfig, seed: int | None) -> Part:
    """The part with the encoder that the release never saved, and which one it is."""
    if seed is None:
        encoder = FaceMaskEncoder(config.unet.mask_channels).state_dict()
        weights = {key: torch.zeros_like(value) for key, value in encoder.items()}
        choice: dict[str, Any] = {"reconstruction": "zeros"}
    else:
        (lfg,) = (LFG_SIZES[size] for size, known in A2V_SIZES.items() if known == config)
        weights = seeded_face_mask_encoder(lfg, config, seed)
        choice = {"reconstruction": "seed", "seed": seed}
    state = part.state | {f"face_mask_encoder.{key}": value for key, value in weights.items()}
    return part._replace(state=state, remarks=part.remarks | {"face_mask_encoder": choice})


def seeded_face_mask_encoder(lfg: LFGConfig, a2v: A2VConfig, seed: int) -> dict[str, Tensor]:
    """The encoder as the official training script would have drawn it from `seed`.

    It seeds, then makes generator, region predictor, background predictor, diffusion and encoder
    in this order on the CPU; each takes as many random numbers here as there.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        Generator(lfg)
        RegionPredictor(lfg)
        BackgroundMotion(lfg)
        GaussianDiffusion(a2v)
        return FaceMaskEncoder(a2v.unet.mask_channels).state_dict()


def widen(value: Tensor) -> Tensor:
    """Floating values as float32; others, such as counters, unchanged."""
    return value.float() if value.is_floating_point() else value
