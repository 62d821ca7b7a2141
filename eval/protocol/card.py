"""The protocol card: how videos are looked at. Cards are YAML; `default` and `dawn-paper` ship with
the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from manifests.config import as_dict, load, stable_hash
from manifests.errors import InputError

SHIPPED = ("default", "dawn-paper")

_LABELS = ("name", "version", "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolCard:
    """How videos are looked at. `name`, `version` and `metrics` decide no number."""

    name: str
    version: int = 1
    fps: Literal[25] = 25
    """Videos of other rates are brought to it by their timestamps."""
    size: int = 256
    """Side of the square picture that everything is measured on, in pixels."""
    crop: Literal["centre"] = "centre"
    """The short side is scaled to `size` (area average down, bicubic up), the middle is kept."""
    codec: Literal["as_is"] = "as_is"
    """Both sides are taken as their files have them."""
    skip_first: int = 1
    """Frames left out at the start: frame 0 of a generated video is the source image."""
    stride: int = 5
    """Per-frame networks (FID, LPIPS, CSIM) look at every so-many-th frame."""
    max_frames: int = 0
    """Frames of each video that are looked at, from the start; 0: all."""
    min_frames: int = 10
    """A pair that shares fewer is excluded."""
    metrics: tuple[str, ...] = ("all",)
    """What is measured where the command does not say it: names, or what they begin with."""

    def __post_init__(self) -> None:
        if self.size < 32 or self.stride < 1 or self.skip_first < 0 or self.max_frames < 0:
            raise ValueError("size: at least 32; stride: at least 1; others: not negative")
        if self.min_frames < self.skip_first + 2:
            raise ValueError("min_frames: at least two more than skip_first")

    @property
    def deciding(self) -> dict[str, Any]:
        """The fields that numbers depend on."""
        return deciding(as_dict(self))

    @property
    def hash(self) -> str:
        """16 hex digits of the deciding fields."""
        return stable_hash(self.deciding)


def deciding(card: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a card, given as plain values, that numbers depend on."""
    return {name: value for name, value in card.items() if name not in _LABELS}


def read_card(name_or_file: str) -> tuple[ProtocolCard, dict[str, Any] | None]:
    """A shipped card, a card's file, or the `protocol.yaml` of a results folder; of the last also
    its whole content, which says under what else its numbers were made. Raises InputError.
    """
    if name_or_file in SHIPPED:
        text, where = shipped_text(name_or_file), name_or_file
    else:
        where = name_or_file
        try:
            text = Path(name_or_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"--protocol {name_or_file}: cannot be read ({reason}); give a YAML file or one of "
                f"{', '.join(SHIPPED)}"
            ) from error
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where}: is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected `key: value` lines")
    whole = values if isinstance(values.get("card"), dict) else None
    return load(ProtocolCard, whole["card"] if whole else values, where), whole


def shipped_text(name: str) -> str:
    """The YAML of a shipped card, comments and all."""
    return (files("eval") / "protocols" / f"{name}.yaml").read_text(encoding="utf-8")
