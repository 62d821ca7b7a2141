"""The settings of the commands that take a YAML file: templates, JSON Schemas, checks."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dawn.recipe import IngestConfig, Recipe
from dawn.training.stages import stage_named, stages
from eval.gate.margins import read_gate
from eval.protocol.card import read_card
from manifests.config import as_dict, json_schema, load_yaml, merged, read_mapping
from manifests.errors import InputError

_WIDTH = 96


def template_of(what: str, preset: str) -> str:
    """A commented YAML file with every setting at its default.

    `what` is a command, of `dawn train` with its stage: `train.lfg`. Raises InputError.
    """
    config = defaults(what, preset)
    schema = json_schema(type(config))
    flag = {"evaluate": "--protocol", "regress": "--gate"}.get(what, "--config")
    head = f"# For `dawn {what.partition('.')[0]} {flag}`; leave out what you do not change."
    return "\n".join([head, *_lines(as_dict(config), schema, schema.get("$defs", {}), 0)]) + "\n"


def schema_of(what: str) -> dict[str, Any]:
    """The JSON Schema of a command's settings. Raises InputError."""
    return json_schema(type(defaults(what)))


def validate_file(what: str, file: Path) -> None:
    """Raise InputError when the command would refuse the file."""
    config = defaults(what)
    if what.startswith("train."):
        merged(config, read_mapping(file), str(file))
    elif what == "evaluate":
        read_card(str(file))
    elif what == "ingest":
        Recipe.resolve(load_yaml(IngestConfig, file))
    else:
        load_yaml(type(config), file)


def defaults(what: str, preset: str = "tiny") -> Any:  # noqa: ANN401 - each command's own dataclass
    """A command's settings as they are without a file. Raises InputError for other names."""
    command, _, stage = what.partition(".")
    if command == "train" and stage in stages():
        return stage_named(stage).preset(preset)
    known: dict[str, Callable[[], Any]] = {
        "ingest": IngestConfig,
        "evaluate": lambda: read_card("default")[0],
        "regress": lambda: read_gate(None),
    }
    if what not in known:
        names = [*known, *(f"train.{name}" for name in stages())]
        raise InputError(f"{what}: has no file of settings; give one of {', '.join(names)}")
    return known[what]()


def _lines(
    values: Mapping[str, Any], schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int
) -> Iterator[str]:
    """`key: value` lines, each below what its docstring says."""
    pad = "  " * depth
    for name, value in values.items():
        entry = schema["properties"][name]
        text = " ".join(entry.get("description", "").split())
        choices = entry.get("enum")
        said = " ".join(
            filter(None, [text, f"({' | '.join(map(str, choices))})" if choices else ""])
        )
        yield from (f"{pad}# {line}" for line in textwrap.wrap(said, _WIDTH - len(pad)))
        inner = _resolved(entry, defs)
        if isinstance(value, Mapping) and "properties" in inner:
            yield f"{pad}{name}:"
            yield from _lines(value, inner, defs, depth + 1)
        else:
            text = yaml.safe_dump(value, default_flow_style=True, width=10**6).strip()
            yield f"{pad}{name}: {text.removesuffix('...').strip()}"


def _resolved(entry: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The definition that an entry of a schema refers to."""
    reference = entry.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = defs.get(reference, entry)
    return found
