"""The settings of the commands that take a YAML file: templates, JSON Schemas, checks."""

from pathlib import Path
from typing import Any

from manifests.errors import InputError


def template_of(what: str, preset: str) -> str:
    """A commented YAML file with every setting at its default."""
    raise InputError(f"{what}: {preset}")


def schema_of(what: str) -> dict[str, Any]:
    """The JSON Schema of a command's settings."""
    raise InputError(what)


def validate_file(what: str, file: Path) -> None:
    """Raise InputError when the command would refuse the file."""
    raise InputError(f"{what}: {file}")
