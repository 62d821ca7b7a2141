"""Checkpoints: a safetensors file of weights and a JSON card that says what they are.

A folder holds `NAME.safetensors` and `NAME.json` for each network. The card is written last, so
weights without a card are an interrupted write. Loading never unpickles: nothing in a checkpoint
can run code.
"""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dawn.a2v.config import A2VConfig
from dawn.a2v.model import A2V
from dawn.lfg.config import LFGConfig
from dawn.lfg.model import LFG
from dawn.pbnet.config import PBNetConfig
from dawn.pbnet.model import PBNet
from manifests.config import as_dict, load, stable_hash
from manifests.errors import InputError
from manifests.file_names import is_hidden
from manifests.plugins import plugins
from manifests.staging import keep_at_hand

FORMAT = 1
FOLDERS = ("lfg", "a2v", "pbnet", "pose", "blink")
"""Where a model folder holds its checkpoints, unless they lie beside each other."""
LISTED = 12
"""Keys of each kind that an error names before it says how many more there are."""

Config = Any
"""A network's own settings: LFGConfig, A2VConfig, PBNetConfig, or an added stage's."""


@dataclass(frozen=True, slots=True)
class Network:
    """A kind of network: its settings, and the module that is built from them."""

    config: type
    build: Callable[[Any], nn.Module]


_OURS = {
    "lfg": Network(LFGConfig, LFG),
    "a2v": Network(A2VConfig, A2V),
    "pbnet": Network(PBNetConfig, PBNet),
}


@functools.cache
def networks() -> dict[str, Network]:
    """Kinds of networks by stage; modules of the entry-point group `dawn.networks` add to them,
    each with a dictionary `NETWORKS`.
    """
    found = dict(_OURS)
    for module in plugins("dawn.networks"):
        found |= module.NETWORKS
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a weights file holds. `source` says where it came from, in the writer's words."""

    format: int
    name: str
    stage: str
    architecture: dict[str, Any]
    architecture_hash: str
    parameters: int
    shapes: dict[str, Any]
    sha256: str
    bytes: int
    source: dict[str, Any]

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format {self.format!r} is not {FORMAT}, which this version reads")
        if self.stage not in networks():
            raise ValueError(f"stage {self.stage!r} is none of {', '.join(networks())}")
        for name in ("architecture", "shapes", "source"):
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name} is not a mapping")


def build(config: Config) -> nn.Module:
    """The network that `config` describes, with fresh weights."""
    return networks()[stage_of(config)].build(config)


def stage_of(config: Config) -> str:
    """The stage whose configuration this is."""
    return next(name for name, kind in networks().items() if type(config) is kind.config)


def config_of(card: Card, where: Path) -> Config:
    """The card's architecture, validated; InputError names `where`."""
    return load(networks()[card.stage].config, card.architecture, str(where))


def save(
    directory: Path,
    name: str,
    config: Config,
    state: Mapping[str, Tensor],
    source: Mapping[str, Any],
) -> Card:
    """Write `state` as `name` into `directory`, replacing what is there; returns its card.

    Tensors keep their types; what the network's settings give may be missing. Raises InputError
    when `state` is not a complete state of the network of `config`.
    """
    network = check_state(_tables(config) | dict(state), config, name)
    directory.mkdir(parents=True, exist_ok=True)
    weights = directory / f"{name}.safetensors"
    card_path = directory / f"{name}.json"
    partial = weights.with_suffix(".safetensors.partial")
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    save_file(tensors, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors writes it for its owner alone
    architecture = as_dict(config)
    card = Card(
        format=FORMAT,
        name=name,
        stage=stage_of(config),
        architecture=architecture,
        architecture_hash=stable_hash(architecture),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        shapes={key: list(value.shape) for key, value in sorted(tensors.items())},
        sha256=sha256_of(partial),
        bytes=partial.stat().st_size,
        source=dict(source),
    )
    card_path.unlink(missing_ok=True)
    os.replace(partial, weights)  # noqa: PTH105 - replaces on every platform
    text = json.dumps(dataclasses.asdict(card), indent=1, ensure_ascii=False) + "\n"
    partial_card = card_path.with_suffix(".json.partial")
    partial_card.write_text(text, encoding="utf-8")
    os.replace(partial_card, card_path)  # noqa: PTH105
    return card


def at_hand(where: str | Path) -> Path:
    """A model folder as a local path; from an object store it is fetched. Raises InputError."""
    names = {"", *FOLDERS, *networks()}

    def wanted(name: str) -> bool:
        folder, _, file = name.rpartition("/")
        return folder in names and file.endswith((".json", ".safetensors"))

    try:
        return keep_at_hand(os.fspath(where), wanted)
    except FileNotFoundError as error:
        raise InputError(
            f"{where}: has no checkpoint; make one with `dawn train` or `dawn checkpoint import`"
        ) from error


def places(directory: Path) -> list[Path]:
    """Where checkpoints of a model folder lie: itself, and those of `FOLDERS` that it has.

    Raises InputError when it is no folder.
    """
    if not directory.is_dir():
        raise InputError(f"{directory}: is not a folder; name one that training or an import made")
    names = dict.fromkeys((*FOLDERS, *networks()))
    return [directory, *(place for name in names if (place := directory / name).is_dir())]


def found(directory: Path) -> list[tuple[Path, Card]]:
    """The checkpoints of a model folder, each with where it lies. Raises InputError for none."""
    paths = [path for place in places(directory) for path in _cards_in(place)]
    if not paths:
        raise InputError(
            f"{directory}: has no checkpoint; make one with `dawn train` or "
            "`dawn checkpoint import`"
        )
    return [(path.parent, read_card(path)) for path in paths]


def _cards_in(place: Path) -> list[Path]:
    """By name; also of weights without one, which `read_card` then names."""
    weights = (path.with_suffix(".json") for path in place.glob("*.safetensors"))
    return sorted(path for path in {*place.glob("*.json"), *weights} if not is_hidden(path.name))


def read_card(path: Path) -> Card:
    """The card in the JSON file `path`; InputError when it is missing or malformed."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; import it again") from error
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); import it again") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: is not a checkpoint's card; import it again")
    fields = {field.name for field in dataclasses.fields(Card)}
    if set(values) != fields:
        odd = ", ".join(sorted(set(values) ^ fields))
        raise InputError(f"{path}: is not a checkpoint's card (missing or unknown: {odd})")
    try:
        card = Card(**values)
    except ValueError as error:
        raise InputError(f"{path}: {error}; import it again") from error
    if card.name != path.stem:
        raise InputError(f"{path}: is the card of {card.name!r}; rename it back")
    return card


def verify(directory: Path, card: Card) -> Path:
    """The card's weights file, its bytes checked; InputError when missing or changed."""
    path = directory / f"{card.name}.safetensors"
    if not path.is_file():
        raise InputError(f"{path}: is missing; import or copy the checkpoint again")
    if sha256_of(path) != card.sha256:
        raise InputError(f"{path}: does not match the sha256 on its card; import or copy it again")
    return path


def load_network(directory: Path, name: str) -> tuple[nn.Module, Card]:
    """The network `name` of `directory` in eval mode on the CPU, and its card.

    Raises InputError for a missing, damaged or mismatched file.
    """
    card_path = directory / f"{name}.json"
    card = read_card(card_path)
    path = verify(directory, card)
    config = config_of(card, card_path)
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: is not a safetensors file ({error}); import it again") from error
    state = _tables(config) | state
    network = check_state(state, config, str(path))
    kinds = {key: value.dtype for key, value in network.state_dict().items()}
    whole = {key: value.to(kinds[key]) for key, value in state.items()}
    network.load_state_dict(whole, strict=True, assign=True)
    return network.eval(), card


def pack(source: Path, target: Path) -> list[Card]:
    """Copies of a model folder's checkpoints in half precision, without what their settings give:
    for sharing. They load as any other. Raises InputError where a value is beyond half precision.
    """
    packed = []
    for folder, card in found(source):
        network, _ = load_network(folder, card.name)
        given = _tables(network.config).keys()
        state = {k: v for k, v in network.state_dict().items() if k not in given}
        halves = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
        origin = card.source | {"packed": {"from_sha256": card.sha256, "dtype": "float16"}}
        packed.append(save(target / card.stage, card.name, network.config, halves, origin))
    return packed


def _tables(config: Config) -> dict[str, Tensor]:
    """What of a network's state follows from its settings; a file may leave it out."""
    tables = getattr(networks()[stage_of(config)].build, "tables", None)
    return tables(config) if tables else {}


def blueprint(config: Config) -> nn.Module:
    """The network of `config` with names and shapes but no storage."""
    with torch.device("meta"), _WithoutCompiler():
        return build(config)


class _WithoutCompiler(TorchFunctionMode):
    """Where there is no storage PyTorch would make these by its compiler, which takes seconds to
    import: ranges are made on the CPU, and nothing is drawn at random.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what the function gives
        given = kwargs or {}
        if func is torch.arange:
            return func(*args, **{"device": "cpu", **given})
        if func is torch.randn:
            return torch.empty(*args, **given)
        if func is nn.init.normal_:
            return given["tensor"]
        return func(*args, **given)


def check_state(state: Mapping[str, Any], config: Config, where: str) -> nn.Module:
    """The blueprint that the state fits. Raises InputError that lists missing, unknown, mis-shaped
    and non-finite entries.
    """
    network = blueprint(config)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    common = sorted(expected.keys() & state.keys())
    tensors = {key: state[key] for key in common if isinstance(state[key], Tensor)}
    shaped = {key: value for key, value in tensors.items() if value.shape == expected[key]}
    faults = {
        "missing": sorted(expected.keys() - state.keys()),
        "unknown": sorted(state.keys() - expected.keys()),
        "not a tensor": [key for key in common if key not in tensors],
        "mis-shaped": [
            f"{key} {list(value.shape)} instead of {list(expected[key])}"
            for key, value in tensors.items()
            if key not in shaped
        ],
        "not finite": [key for key, value in shaped.items() if not value.isfinite().all()],
    }
    listed = [f"{kind}: {enumerate_keys(keys)}" for kind, keys in faults.items() if keys]
    if listed:
        raise InputError(
            f"{where}: does not fit the {stage_of(config)} network: {'; '.join(listed)}; "
            "check that file and size belong together"
        )
    return network


def enumerate_keys(keys: list[str]) -> str:
    """The first keys, and how many more there are."""
    more = len(keys) - LISTED
    return ", ".join(keys[:LISTED]) + (f" and {more} more" if more > 0 else "")


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
