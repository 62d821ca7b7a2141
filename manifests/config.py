"""Configuration objects: frozen dataclasses, loaded strictly, hashed stably.

Every stage has one such dataclass. `load` refuses unknown keys and wrong types, so that a
misspelt setting is an error and never a silent default.
"""

import dataclasses
import hashlib
import json
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from manifests.errors import InputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def load(cls: type[T], values: Mapping[str, Any], where: str = "configuration") -> T:
    """Build the dataclass `cls` from `values`; nested dataclasses from nested mappings.

    `where` names the source in errors, e.g. the file. Raises InputError for an unknown key, a
    missing required key, a value of another type, or whatever `__post_init__` rejects.
    """
    from pydantic import ValidationError

    try:
        # As JSON: strict, yet a list may stand for a tuple.
        return _adapter(cls).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise InputError(f"{where}: {_first_fault(cls, error)}") from error


def merged(config: T, changes: Mapping[str, Any], where: str = "configuration") -> T:
    """The configuration with some settings changed, nested as in `load`. Raises InputError."""

    def over(old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        return old | {
            key: over(old[key], value)
            if isinstance(value, Mapping) and isinstance(old.get(key), dict)
            else value
            for key, value in new.items()
        }

    return load(type(config), over(as_dict(config), changes), where)


def json_schema(cls: type) -> dict[str, Any]:
    """The JSON Schema of a configuration, described by its attributes' docstrings."""
    return _adapter(cls).json_schema()


def load_yaml(cls: type[T], path: Path) -> T:
    """Build `cls` from a YAML file; see `load`."""
    return load(cls, read_mapping(path), str(path))


def read_mapping(path: Path) -> Mapping[str, Any]:
    """The settings of a YAML file; none for an empty one. Raises InputError."""
    import yaml  # late: generation alone needs none

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: is not valid YAML: {reason}") from error
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: expected `key: value` lines, got {type(values).__name__}")
    return values


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


_ADAPTERS: dict[type, Any] = {}


def _adapter(cls: type[T]) -> "TypeAdapter[T]":
    from pydantic import ConfigDict, TypeAdapter

    if cls in _ADAPTERS:
        return _ADAPTERS[cls]

    if not hasattr(cls, "__pydantic_config__"):  # dataclasses within follow it
        strict = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
        cls.__pydantic_config__ = strict  # type: ignore[attr-defined]
    return _ADAPTERS.setdefault(cls, TypeAdapter(cls))


def _first_fault(cls: type, error: "ValidationError") -> str:
    """What is wrong first, and where, in one line."""
    fault = error.errors(include_url=False)[0]
    *outer, name = fault["loc"] or ("",)
    kind, value = fault["type"], fault["input"]
    if kind == "unexpected_keyword_argument":
        known = ", ".join(sorted(_fields(cls, outer)))
        what = f"unknown key {name!r}; known keys are {known}"
        return ": ".join([*map(str, outer), what])
    place = ": ".join(str(part) for part in fault["loc"])
    if kind == "dataclass_type":
        what = f"expected `key: value` settings, got {value!r}"
    elif kind == "literal_error":
        what = f"{value!r} is not one of {fault['ctx']['expected'].replace(' or ', ', ')}"
    elif kind == "value_error":
        what = str(fault["ctx"]["error"])
    elif kind == "missing_argument":
        what = "is required"
    else:
        expected = kind.removesuffix("_type").replace("tuple", "list").replace("string", "text")
        what = f"expected {expected}, got {value!r}"
    return f"{place}: {what}" if place else what


def _fields(cls: type, path: Sequence[int | str]) -> list[str]:
    """The settings of the dataclass that lies at a path of field names."""
    for name in path:
        if isinstance(name, str):
            cls = typing.get_type_hints(cls)[name]
    return [field.name for field in dataclasses.fields(cls)]
