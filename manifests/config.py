"""Configuration objects: frozen dataclasses, loaded strictly, hashed stably.

Every stage has one such dataclass. `load` refuses unknown keys and wrong types, so that a
misspelt setting is an error and never a silent default.
"""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from manifests.errors import InputError

T = TypeVar("T")


def load(cls: type[T], values: Mapping[str, Any], where: str = "configuration") -> T:
    """Build the dataclass `cls` from `values`; nested dataclasses from nested mappings.

    `where` names the source in errors, e.g. the file. Raises InputError for an unknown key, a
    missing required key, a value of another type, or whatever `__post_init__` rejects.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - fields, key=str)
    if unknown:
        known = ", ".join(sorted(fields))
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known keys are {known}")
    arguments = {
        name: _coerce(hints[name], value, f"{where}: {name}") for name, value in values.items()
    }
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from error


def load_yaml(cls: type[T], path: Path) -> T:
    """Build `cls` from a YAML file; see `load`."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: is not valid YAML: {reason}") from error
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: expected `key: value` lines, got {type(values).__name__}")
    return load(cls, values, str(path))


def as_dict(config: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass instance
    """The configuration as plain JSON types."""
    return typing.cast("dict[str, Any]", json.loads(json.dumps(dataclasses.asdict(config))))


def stable_hash(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """16 hex digits that depend only on the JSON content, not on key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat |= flatten(item, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = item
    return flat


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines `a.b: 1 -> 2`, one for each setting in which two configurations differ."""
    before, after = flatten(old), flatten(new)
    return [
        f"{key}: {before.get(key, '(absent)')} -> {after.get(key, '(absent)')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key, "(absent)") != after.get(key, "(absent)")
    ]


def _coerce(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - driven by annotations
    """`value` as the annotated type `kind`, or InputError."""
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected `key: value` settings, got {value!r}")
        return load(typing.cast("type[Any]", kind), value, where)
    origin, choices = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        if value not in choices:
            raise InputError(f"{where}: {value!r} is not one of {', '.join(map(repr, choices))}")
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in choices:
            return None
        (inner,) = [choice for choice in choices if choice is not type(None)]
        return _coerce(inner, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{where}: expected a list, got {value!r}")
        return tuple(_coerce(choices[0], item, where) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{where}: expected {kind.__name__}, got {value!r}")
    return value
