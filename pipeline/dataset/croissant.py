"""Croissant 1.1: what a dataset's files are and what their columns mean, as JSON-LD.

Specification: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from dawn.weights import sha256
from manifests.counting import count
from manifests.schema import CLIPS
from pipeline.dataset.facts import Facts

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The specification's own, key by key."""

PARQUET = "application/x-parquet"
_MEANINGS = {column.name: column for column in CLIPS}


def file_set(name: str, pattern: str, kind: str, meaning: str) -> dict[str, Any]:
    """Files that match a pattern below the folder in which `croissant.json` lies."""
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": meaning,
        "encodingFormat": kind,
        "includes": pattern,
    }


def file_object(folder: Path, name: str, kind: str, meaning: str) -> dict[str, Any]:
    """One file of the folder, with its checksum."""
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": meaning,
        "contentUrl": name,
        "contentSize": f"{(folder / name).stat().st_size} B",
        "encodingFormat": kind,
        "sha256": sha256(folder / name),
    }


def croissant(
    facts: Facts, files: Iterable[dict[str, Any]], source: dict[str, str], columns: pa.Schema
) -> dict[str, Any]:
    """The JSON-LD. `source` names the file or set of files that holds a row a clip: `columns`."""
    licences = [value for value, _ in facts.labels["licence"] or () if value is not None]
    fields = [field for column in columns if (field := _field(column, source)) is not None]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": facts.name,
        "description": (
            f"{count(facts.clips, 'clip')} of talking heads at 25 fps ({facts.hours:.2f} h, "
            f"{count(facts.speakers, 'speaker')}), cropped to the face, with sound and measures. "
            f"Made by dawn-pipeline, recipe {facts.recipe_hash}."
        ),
        "keywords": ["talking head", "face", "lip sync", "video", "speech"],
        **({"license": licences} if licences else {}),
        "distribution": list(files),
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "clips",
                "name": "clips",
                "description": "One record for each accepted clip.",
                "key": {"@id": "clips/clip_id"},
                "field": fields,
            }
        ],
    }


def _field(column: pa.Field, source: dict[str, str]) -> dict[str, Any] | None:
    """A column as a field; None for structures, which have no simple type."""
    kind, shape = column.type, None
    if pa.types.is_fixed_size_list(kind):
        kind, shape = kind.value_type, str(kind.list_size)
    elif pa.types.is_list(kind):
        kind, shape = kind.value_type, "-1"
    data_type = _data_type(kind)
    if data_type is None:
        return None
    known = _MEANINGS.get(column.name)
    meaning = f"{known.meaning}{f' [{known.unit}]' if known.unit else ''}" if known else column.name
    return {
        "@type": "cr:Field",
        "@id": f"clips/{column.name}",
        "name": column.name,
        "description": meaning,
        "dataType": data_type,
        **({"isArray": True, "arrayShape": shape} if shape else {}),
        "source": source | {"extract": {"column": column.name}},
    }


def _data_type(kind: pa.DataType) -> str | None:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind):
        return "sc:Float"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "sc:Text"
    return None
